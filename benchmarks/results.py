"""Reads what `pytest benchmarks --benchmark-json=FILE` wrote: for report.py and compare.py."""

from __future__ import annotations

import json
import statistics
from dataclasses import dataclass
from pathlib import Path


class ResultError(Exception):
    """A file that holds no benchmarks of ours; the text says why."""


@dataclass(frozen=True)
class Row:
    """One benchmark of one run. Times are nanoseconds of one call, `ratio` is the guest's to its twin's."""

    name: str  # stable over runs: test_call[sud-getppid]
    part: str  # calls, processes, ...: the file of the test
    label: str  # the name without its engine
    engine: str  # "" where the benchmark is of no engine
    ratio: float
    best_ratio: float
    ratios: tuple[float, ...]
    ns: float
    native_ns: float
    per: str
    native: str  # what the twin is
    linux_calls: bool = True  # False: Linux is not called, and the ratio says nothing of what a call costs


@dataclass(frozen=True)
class Run:
    """One file: when and of which commit it is, on what machine, and its rows by name."""

    date: str
    commit: str
    machine: str
    rows: dict[str, Row]


def _row(benchmark: dict) -> Row:
    info, params = benchmark["extra_info"], benchmark.get("params") or {}
    test = benchmark["name"].partition("[")[0].removeprefix("test_")
    words = [str(value) for key, value in params.items() if key != "engine"]
    generic = test in ("call", "made", "talk")
    return Row(
        name=benchmark["name"],
        part=Path(benchmark["fullname"].partition("::")[0]).stem.removeprefix("test_"),
        label=" ".join(words if generic and words else [test, *words]),
        engine=info.get("engine", ""),
        ratio=info["ratio"],
        best_ratio=info.get("best_ratio", info["ratio"]),
        ratios=tuple(info.get("ratios") or [info["ratio"]]),
        ns=info["ns_per_call"],
        native_ns=info["native_ns_per_call"],
        per=info.get("per", "call"),
        native=info.get("native", ""),
        linux_calls=info.get("linux_calls", True),
    )


def load(path: Path | str) -> Run:
    """A file's run. Raises ResultError."""
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
        rows = [_row(b) for b in data["benchmarks"] if "ratio" in b["extra_info"]]
    except OSError as error:
        raise ResultError(f"{path}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ResultError(f"{path}: not a result of these benchmarks ({type(error).__name__}: {error})") from None
    if not rows:
        raise ResultError(f"{path}: no benchmark with a ratio in it")
    machine = data.get("machine_info") or {}
    cpu = machine.get("cpu") or {}
    parts = [cpu.get("brand_raw"), f"{cpu['count']} CPUs" if cpu.get("count") else None,
             " ".join(filter(None, (machine.get("system"), machine.get("release"))))]  # fmt: skip
    return Run(
        date=data.get("datetime", ""),
        commit=((data.get("commit_info") or {}).get("id") or "")[:10],
        machine=", ".join(filter(None, parts)),
        rows={row.name: row for row in rows},
    )


def time_text(ns: float) -> str:
    """A time with its unit."""
    for unit, size in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if ns >= size:
            return f"{ns / size:.3g} {unit}"
    return f"{ns:.3g} ns"


def geometric_mean(values: list[float]) -> float:
    return statistics.geometric_mean(values)
