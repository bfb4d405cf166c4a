"""The Python packages lie one above the other, and no module is imported by what it imports."""

from __future__ import annotations

import ast

import harness
import pytest

PACKAGE = harness.TESTS.parent / "lsf"
#: Each uses itself and those before it. `lsf` itself has lsf.__version__, demo the programs' paths, the rest is compiled.
FLOORS = ("freebsd.tables", "roots", "start", "oci", "info", "api", "ctl")
MODULES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for floor in FLOORS
    for path in sorted((PACKAGE / floor.replace(".", "/")).glob("*.py"))
}


def floor_of(module: str) -> str | None:
    return next((floor for floor in FLOORS if f"{module}.".startswith(f"lsf.{floor}.")), None)


def imports(module: str, inner: bool) -> set[str]:
    """The modules of LSF's that one imports: at its own beginning, or (inner) anywhere."""
    tree = ast.parse(MODULES[module].read_text())
    found = set()
    for node in ast.walk(tree) if inner else tree.body:
        if isinstance(node, ast.ImportFrom) and node.level:
            base = module if MODULES[module].name == "__init__.py" else module.rpartition(".")[0]
            found |= {f"{base}.{node.module or name.name}" for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "lsf":
            names = {f"{node.module}.{name.name}" for name in node.names}
            found |= {name if name in MODULES else node.module for name in names}
        elif isinstance(node, ast.Import):
            found |= {name.name for name in node.names if name.name.split(".")[0] == "lsf"}
    return found


@pytest.mark.parametrize("module", MODULES)
def test_nothing_climbs(module):
    allowed = FLOORS[: FLOORS.index(floor_of(module)) + 1]
    climbs = {name for name in imports(module, inner=True) if (floor := floor_of(name)) and floor not in allowed}
    assert not climbs


def test_no_circle():
    """Among what modules import at their beginning; what a function imports may come later."""
    ends: dict[str, bool] = {}

    def follow(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join([*path, module])
        if module not in ends:
            for name in imports(module, inner=False) & MODULES.keys() - {module}:
                follow(name, (*path, module))
            ends[module] = True

    for module in MODULES:
        follow(module, ())
