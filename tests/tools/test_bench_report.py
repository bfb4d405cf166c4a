"""benchmarks/report.py and compare.py, on small results that are made up; and that the loops do what they say."""

from __future__ import annotations

import html.parser
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import harness
import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture(scope="module", autouse=True)
def _benchmarks_on_path():
    sys.path.insert(0, str(BENCHMARKS))
    yield
    sys.path.remove(str(BENCHMARKS))


@pytest.fixture
def result(tmp_path):
    """result(name, rows, date): a file as pytest-benchmark writes it. rows: {(test, engine, loop): ratio or (ratio, best)}."""

    def make(name, rows, date="2026-01-01T00:00:00", commit="0123456789abcdef"):
        benchmarks = []
        for (test, engine, loop), value in rows.items():
            ratio, best = value if isinstance(value, tuple) else (value, value)
            info = {"ratio": ratio, "best_ratio": best, "ratios": [ratio * 0.9, ratio, ratio * 1.1], "ns_per_call": 100.0 * ratio,
                    "native_ns_per_call": 100.0, "per": "call", "native": "the <same> loop"}  # fmt: skip
            params = {"loop": loop}
            if engine:
                info["engine"] = params["engine"] = engine
            words = "-".join(filter(None, (engine, loop)))
            benchmarks.append({"name": f"{test}[{words}]", "fullname": f"benchmarks/test_calls.py::{test}[{words}]",
                               "params": params, "extra_info": info})  # fmt: skip
        benchmarks.append({"name": "without_a_ratio", "fullname": "x.py::y", "params": None, "extra_info": {}})
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps({"datetime": date, "commit_info": {"id": commit}, "benchmarks": benchmarks,
                                    "machine_info": {"system": "Linux", "cpu": {"brand_raw": "A <CPU>", "count": 2}}}))  # fmt: skip
        return path

    return make


ROWS = {("test_call", "sud", "read"): 1.2, ("test_call", "ptrace", "read"): 1.4, ("test_start", "", "shim"): 2.0}


def compare(*arguments):
    done = subprocess.run([sys.executable, str(BENCHMARKS / "compare.py"), *map(str, arguments)], capture_output=True,
                          text=True, timeout=60, check=False)  # fmt: skip
    return done.returncode, done.stdout, done.stderr


# ---------------------------------------------------------------- compare.py


def test_nothing_is_slower(result):
    status, out, _ = compare(result("a", ROWS), result("b", {**ROWS, ("test_call", "sud", "read"): 1.3}))
    assert status == 0
    assert "nothing is more than 10 % slower (3 benchmarks)" in out
    assert "SLOWER" not in out


def test_a_regression_is_named(result):
    status, out, _ = compare(result("a", ROWS), result("b", {**ROWS, ("test_call", "ptrace", "read"): 1.55}))
    assert status == 1
    assert out.splitlines()[-1] == "more than 10 % slower: test_call[ptrace-read]"
    assert out.count("SLOWER") == 1


def test_one_of_the_two_ratios_is_no_regression(result):
    """A median disturbed by other load, or a lucky run in the baseline."""
    for value in ((1.8, 1.2), (1.2, 1.8)):
        status, out, _ = compare(result("a", ROWS), result("b", {**ROWS, ("test_call", "sud", "read"): value}))
        assert status == 0, out


def test_the_limit_can_be_chosen(result):
    files = result("a", ROWS), result("b", {key: value * 1.2 for key, value in ROWS.items()})
    assert compare("--limit", "25", *files)[0] == 0
    status, out, _ = compare("--limit", "15", *files)
    assert status == 1
    assert all(
        name in out.splitlines()[-1] for name in ("test_call[sud-read]", "test_call[ptrace-read]", "test_start[shim]")
    )


def test_rows_that_came_and_went_are_told(result):
    other = {("test_call", "sud", "read"): 1.2, ("test_call", "sud", "write"): 9.0}
    status, out, _ = compare(result("a", ROWS), result("b", other))
    assert status == 0
    assert "only in the baseline: test_call[ptrace-read], test_start[shim]" in out
    assert "not in the baseline: test_call[sud-write]" in out


def test_faster_is_told(result):
    _, out, _ = compare(result("a", ROWS), result("b", {**ROWS, ("test_call", "sud", "read"): 0.8}))
    assert [line for line in out.splitlines() if line.startswith("faster")][0].split()[1] == "test_call[sud-read]"


@pytest.mark.parametrize("text", [None, "", "{}", "[1]", '{"benchmarks": [{"name": "x"}]}', '{"benchmarks": []}'])
def test_what_is_no_result(result, tmp_path, text):
    path = tmp_path / "bad.json"
    if text is not None:
        path.write_text(text)
    for files in ((path, result("a", ROWS)), (result("a", ROWS), path)):
        status, out, err = compare(*files)
        assert (status, out) == (2, "")
        assert err.startswith(f"{path}: ")


def test_nothing_in_common(result):
    assert compare(result("a", ROWS), result("b", {("test_x", "sud", "y"): 1.0}))[0] == 2


# ---------------------------------------------------------------- report.py


class _Page(html.parser.HTMLParser):
    """Counts elements, and finds what would be fetched."""

    def __init__(self, text):
        super().__init__()
        self.count: dict[str, int] = {}
        self.fetched: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.count[tag] = self.count.get(tag, 0) + 1
        for name, value in attrs:
            if name in ("src", "href", "xlink:href") and not (value or "").startswith("#"):
                self.fetched.append(f"{tag} {name}={value}")

    def handle_data(self, data):
        self.text += data


@pytest.fixture
def draw(tmp_path):
    pytest.importorskip("matplotlib", reason="benchmarks/report.py draws with it (pip install '.[bench]')")
    import report

    def run(*arguments):
        output = tmp_path / "report.html"
        status = report.main([*map(str, arguments), "-o", str(output)])
        return status, output.read_text() if output.exists() else ""

    return run


def test_one_run(draw, result, tmp_path):
    status, text = draw(result("a", ROWS), "--series", tmp_path / "series.json")
    assert status == 0
    page = _Page(text)
    assert page.fetched == []
    assert "script" not in page.count
    assert page.count["svg"] == 1
    assert page.count["tr"] == 1 + len(ROWS)
    for word in ("read", "sud", "ptrace", "1.20", "1.40", "A <CPU>, 2 CPUs, Linux", "the <same> loop", "0123456789"):
        assert word in page.text, word
    assert "Over" not in page.text
    assert json.loads((tmp_path / "series.json").read_text())[0] == {
        "name": "test_call[sud-read]", "unit": "times native", "value": 1.2, "range": "1.080 to 1.320"}  # fmt: skip


def test_what_makes_no_linux_call_is_not_in_the_mean(draw, result):
    path = result(
        "a",
        {("test_call", "sud", "read"): 1.2, ("test_call", "sud", "write"): 1.2, ("test_call", "sud", "refused"): 0.1},
    )
    data = json.loads(path.read_text())
    data["benchmarks"][2]["extra_info"]["linux_calls"] = False
    path.write_text(json.dumps(data))
    _, text = draw(path)
    assert "sud, geometric mean 1.20" in _Page(text).text
    assert "0.10" in _Page(text).text  # it is shown all the same


def test_history_is_in_the_order_of_dates(draw, result):
    newest = result("a", {**ROWS, ("test_call", "sud", "write"): 7.77}, date="2026-03-01T00:00:00", commit="c" * 40)
    older = [result(f"b{n}", ROWS, date=f"2026-0{n}-01T00:00:00", commit=str(n) * 40) for n in (2, 1)]
    status, text = draw(newest, *older)
    assert status == 0
    page = _Page(text)
    assert "Over 3 runs" in page.text
    assert page.count["svg"] == 2
    assert "7.77" in page.text  # the newest run's, although it was named first
    assert "1111111" in page.text and "ccccccc" in page.text


def test_the_same_results_give_the_same_page(draw, result):
    path = result("a", ROWS)
    assert draw(path) == draw(path)


def test_no_result_no_page(draw, tmp_path, capsys):
    (tmp_path / "bad.json").write_text("{}")
    assert draw(tmp_path / "bad.json") == (2, "")
    assert "bad.json" in capsys.readouterr().err


# ---------------------------------------------------------------- the workflow, and what it calls


def test_workflow_is_yaml_and_names_what_is_there():
    yaml = pytest.importorskip("yaml")
    workflow = yaml.safe_load((BENCHMARKS.parent / ".github/workflows/ci.yml").read_text())
    assert {"tests", "benchmarks"} <= set(workflow["jobs"])
    steps = workflow["jobs"]["benchmarks"]["steps"]
    assert all(("uses" in step) != ("run" in step) for job in workflow["jobs"].values() for step in job["steps"])
    commands = "\n".join(step.get("run", "") for step in steps)
    for script in ("benchmarks/report.py", "benchmarks/compare.py"):
        assert script in commands
        assert (BENCHMARKS.parent / script).is_file()
    published = [step["with"] for step in steps if "github-action-benchmark" in step.get("uses", "")]
    assert {step["tool"] for step in published} == {"pytest", "customSmallerIsBetter"}


# ---------------------------------------------------------------- the loops


def compiled(source, kind, out):
    """A file of loops, as a FreeBSD program (-DGUEST) or a Linux one."""
    gcc = shutil.which("gcc")
    if gcc is None:
        harness.missing_tool("the loops of the benchmarks", "gcc is not installed")
    command = [gcc, "-O2", "-Wall", "-Wextra", "-Werror", "-ffreestanding", "-fno-stack-protector", "-fno-pie", "-no-pie", "-nostdlib",
               "-static", "-fcf-protection=none", "-Wl,--build-id=none", "-Wl,-z,noexecstack", kind,
               str(BENCHMARKS / source), "-o", str(out)]  # fmt: skip
    subprocess.run(command, check=True, timeout=120)
    return out


def loops(source):
    return re.findall(r'(?:LOOP\(|same\(name, )"(\w+)"', (BENCHMARKS / source).read_text())


SOURCES = ["loops_calls.c", "loops_processes.c"]


@pytest.fixture
def entries(tmp_path):
    folder = tmp_path / "entries"
    folder.mkdir()
    for number in range(2000):
        (folder / str(number)).touch()
    return folder


@pytest.mark.parametrize("source", SOURCES)
def test_native_loops(source, tmp_path, entries):
    program = compiled(source, "-DNATIVE", tmp_path / "native")
    assert len(loops(source)) >= 7
    for loop in loops(source):
        folder = [entries] if source == "loops_calls.c" else []
        done = subprocess.run(
            [program, loop, "2", "5", *folder], capture_output=True, text=True, timeout=60, check=False
        )
        assert (done.returncode, done.stdout.rstrip("\n").isdigit()) == (0, True), loop
    for wrong in (["nothing", "2", "5"], ["getppid", "2"], ["getppid", "2", "0"], ["getppid", "2", "4097"]):
        assert subprocess.run([program, *wrong], timeout=60, check=False).returncode == 2


@pytest.mark.parametrize("source", SOURCES)
def test_guest_loops(lsf, source, tmp_path, entries):
    program = compiled(source, "-DGUEST", tmp_path / "guest")
    for loop in loops(source):
        folder = [str(entries)] if source == "loops_calls.c" else []
        result = lsf(program, loop, "2", "5", *folder, timeout=60).check()
        assert result.stdout.rstrip("\n").isdigit(), result.explain()
    lsf(program, "exit").check(stdout="")


def asked(server, tmp_path, connections, requests, kind):
    """Start a server, ask it as benchmarks/test_servers.py does, and return what it says when it ends."""
    load = tmp_path / "load"
    subprocess.run(
        ["gcc", "-O2", "-Wall", "-Wextra", "-Werror", str(BENCHMARKS / "load.c"), "-o", str(load)],
        check=True,
        timeout=120,
    )
    with subprocess.Popen(server, stdout=subprocess.PIPE, text=True) as running:
        try:
            port = running.stdout.readline().strip()
            subprocess.run([load, port, str(connections), str(requests), kind], check=True, timeout=60)
            rest, _ = running.communicate(timeout=60)
        finally:
            running.kill()
    assert running.returncode == 0
    return rest


@pytest.mark.parametrize("kind", ["kept", "new"])
def test_native_server(tmp_path, kind):
    program = compiled("loops_servers.c", "-DNATIVE", tmp_path / "native")
    assert asked([program, "echo", "100", "1"], tmp_path, 30, 110, kind).rstrip("\n").isdigit()
    for wrong in (["nothing", "2", "1"], ["echo", "2", "2"]):
        assert subprocess.run([program, *wrong], timeout=60, check=False).returncode == 2


@pytest.mark.parametrize("kind", ["kept", "new"])
def test_guest_server(lsf, tmp_path, kind):
    program = compiled("loops_servers.c", "-DGUEST", tmp_path / "guest")
    server = ["env", *(f"{k}={v}" for k, v in lsf.environment(None).items()), *lsf.command(program, "echo", "100", "1")]
    assert asked(server, tmp_path, 30, 110, kind).rstrip("\n").isdigit()
