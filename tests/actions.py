"""A runner of GitHub's composite actions for tests: evaluates `${{ }}` and `if:`, and runs the steps as the runner does.

Only what action.yml uses is known; an expression or key that is not known is an error.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import yaml

_TOKEN = re.compile(r"\s*('(?:[^']|'')*'|&&|\|\||==|!=|[!(),]|[A-Za-z_][\w.-]*)")


class Expression:
    """The language of `${{ }}`: strings, names with dots, == != && || ! ( ), and the functions toJSON and success."""

    def __init__(self, text: str, context: dict) -> None:
        self.context = context
        self.tokens: list[str] = []
        place = 0
        while text[place:].strip():
            found = _TOKEN.match(text, place)
            assert found, f"not understood: {text[place:]}"
            self.tokens.append(found[1])
            place = found.end()

    def value(self):
        result = self._or()
        assert not self.tokens, f"left over: {self.tokens}"
        return result

    def _next(self, *wanted: str) -> str | None:
        return self.tokens.pop(0) if self.tokens and (not wanted or self.tokens[0] in wanted) else None

    def _or(self):
        left = self._and()
        while self._next("||"):
            right = self._and()
            left = left or right
        return left

    def _and(self):
        left = self._equal()
        while self._next("&&"):
            right = self._equal()
            left = left and right
        return left

    def _equal(self):
        left = self._one()
        while operator := self._next("==", "!="):
            left = (str(left).lower() == str(self._one()).lower()) == (operator == "==")
        return left

    def _one(self):
        token = self._next()
        if token == "!":
            return not self._one()
        if token == "(":
            inner = self._or()
            assert self._next(")")
            return inner
        if token.startswith("'"):
            return token[1:-1].replace("''", "'")
        if self._next("("):
            argument = None if self.tokens[0] == ")" else self._or()
            assert self._next(")")
            return {"toJSON": lambda: json.dumps(argument, indent=2), "success": lambda: True}[token]()
        found = self.context
        for part in token.split("."):
            found = found.get(part, "") if isinstance(found, dict) else ""
        return found


def filled(text: str, context: dict) -> str:
    """A text with its `${{ }}` evaluated."""
    return re.sub(
        r"\$\{\{(.*?)\}\}", lambda found: str(Expression(found[1], context).value()), str(text), flags=re.DOTALL
    )


@dataclass
class Outcome:
    """What came of a use of the action."""

    status: int
    log: str
    outputs: dict[str, str]
    warnings: list[str]

    @property
    def errors(self) -> list[str]:
        return re.findall(r"^::error::(.*)$", self.log, re.MULTILINE)

    @property
    def notes(self) -> list[str]:
        return re.findall(r"^::notice::(.*)$", self.log, re.MULTILINE)


@dataclass
class Job:
    """A job on a runner: its folders, and the variables and PATH that steps leave to later ones."""

    place: Path
    action: Path
    path: str
    variables: dict[str, str] = field(default_factory=dict)
    cache: dict[str, Path] = field(default_factory=dict)  # the cache of actions, which outlives jobs
    preexec: object = None

    def __post_init__(self) -> None:
        self.home, self.temp, self.workspace = (self.place / name for name in ("home", "work/_temp", "work/repo/repo"))
        for folder in (self.home, self.temp, self.workspace):
            folder.mkdir(parents=True, exist_ok=True)

    def environment(self) -> dict[str, str]:
        return {
            "PATH": self.path, "HOME": str(self.home), "USER": "runner", "LC_ALL": "C.UTF-8", "CI": "true",
            "GITHUB_ACTIONS": "true", "GITHUB_SHA": "0123456789", "GITHUB_WORKSPACE": str(self.workspace),
            "GITHUB_ACTION_PATH": str(self.action), "RUNNER_TEMP": str(self.temp), "RUNNER_OS": "Linux",
            "RUNNER_ENVIRONMENT": "self-hosted", **self.variables,
        }  # fmt: skip

    def script(self, text: str, shell: str = "sh -e {0}", **more: str) -> tuple[int, str, dict[str, str]]:
        """One `run:` step: its status, log and outputs."""
        commands = self.temp / "_runner_file_commands"
        commands.mkdir(exist_ok=True)
        files = {f"GITHUB_{name}": commands / name.lower() for name in ("ENV", "PATH", "OUTPUT")}
        for file in files.values():
            file.write_text("")
        script = self.temp / "step.sh"
        script.write_text(text)
        done = subprocess.run(shell.replace("{0}", str(script)).split(), cwd=self.workspace, text=True, timeout=300,
                              env={**self.environment(), **{name: str(file) for name, file in files.items()}, **more},
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, check=False,
                              preexec_fn=self.preexec, errors="replace")  # fmt: skip
        self.variables |= read_commands(files["GITHUB_ENV"])
        for line in files["GITHUB_PATH"].read_text().splitlines():
            self.path = f"{line}:{self.path}"
        return done.returncode, done.stdout, read_commands(files["GITHUB_OUTPUT"])

    def uses(self, inputs: dict[str, str] | None = None, variables: dict[str, str] | None = None) -> Outcome:
        """A step `uses: THIS-ACTION` with inputs, and with the step's own `env:`."""
        action = yaml.safe_load((self.action / "action.yml").read_text())
        given = {name: str(value) for name, value in (inputs or {}).items()}
        warnings = [name for name in given if name not in action["inputs"]]
        context = {
            "inputs": {name: given.get(name, key.get("default", "")) for name, key in action["inputs"].items()},
            "steps": {},
        }
        log, status = "", 0
        for step in action["runs"]["steps"]:
            if (
                status
                or not Expression(step.get("if", "success()").removeprefix("${{").removesuffix("}}"), context).value()
            ):
                continue
            unknown = set(step) - {"id", "if", "uses", "with", "shell", "env", "run", "name"}
            assert not unknown, unknown
            outputs: dict[str, str] = {}
            if "uses" in step:
                name = step["uses"].partition("@")[0]
                arguments = {key: filled(value, context) for key, value in step["with"].items()}
                log += f"{name} {arguments}\n"
                {"actions/cache/restore": self._restore, "actions/cache/save": self._save}[name](**arguments)
            else:
                own = {key: filled(value, context) for key, value in step.get("env", {}).items()}
                status, text, outputs = self.script(
                    filled(step["run"], context), f"{step['shell']} -e {{0}}", **{**(variables or {}), **own}
                )
                log += text
            if "id" in step:
                context["steps"][step["id"]] = {"outputs": outputs}
        outputs = {name: filled(output["value"], context) for name, output in action["outputs"].items()}
        return Outcome(status, log, outputs, warnings)

    def _restore(self, path: str, key: str) -> None:
        if key in self.cache:
            shutil.copytree(self.cache[key], path, symlinks=True, dirs_exist_ok=True)

    def _save(self, path: str, key: str) -> None:
        assert key not in self.cache, f"saved twice: {key}"
        self.cache[key] = self.place / f"cache-{len(self.cache)}"
        shutil.copytree(path, self.cache[key], symlinks=True)


def read_commands(file: Path) -> dict[str, str]:
    """The values of a GITHUB_ENV or GITHUB_OUTPUT file."""
    values = {}
    lines = iter(file.read_text().splitlines())
    for line in lines:
        if match := re.fullmatch(r"([^=<]+)<<(.+)", line):
            rest = []
            while (more := next(lines)) != match[2]:
                rest.append(more)
            values[match[1]] = "\n".join(rest)
        else:
            name, equals, value = line.partition("=")
            assert equals, line
            values[name] = value
    return values


def clean_path(*first: Path) -> str:
    return ":".join([*map(str, first), "/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin"])


def beside(interpreter: str) -> Path:
    return Path(os.path.dirname(interpreter))
