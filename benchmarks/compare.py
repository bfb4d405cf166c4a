"""Finds what became slower: `python benchmarks/compare.py BASELINE.json NOW.json`.

A row is slower where its ratio to the native twin, and that of the fastest runs too, are more than 10 % above the
baseline's: one of them alone is what other load does. Exit status: 0 nothing is slower, 1 something is (it is named), 2 there is nothing
to compare.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from results import ResultError, Run, load


def changes(baseline: Run, now: Run) -> list[tuple[float, str]]:
    """(factor, name) for each row of both runs, the worst first. The factor is the smaller one of the two ratios'."""
    found = []
    for name, row in now.rows.items():
        before = baseline.rows.get(name)
        if before is not None:
            factors = (row.ratio / before.ratio, row.best_ratio / before.best_ratio)
            # Slower only where both are, faster only where both are.
            factor = min(factors) if min(factors) > 1 else max(factors) if max(factors) < 1 else 1.0
            found.append((factor, name))
    return sorted(found, key=lambda item: (-item[0], item[1]))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("baseline", help="a JSON file of pytest-benchmark, from before")
    parser.add_argument("now", help="one from now")
    parser.add_argument(
        "--limit", type=float, default=10.0, metavar="PERCENT", help="how much slower is too much (default: 10)"
    )
    given = parser.parse_args(arguments)
    try:
        baseline, now = load(given.baseline), load(given.now)
    except ResultError as error:
        print(error, file=sys.stderr)
        return 2
    compared = changes(baseline, now)
    if not compared:
        print("the files have no benchmark in common", file=sys.stderr)
        return 2
    limit = 1 + given.limit / 100
    slower = [name for factor, name in compared if factor > limit]
    for factor, name in compared:
        mark = "SLOWER" if factor > limit else "faster" if factor < 1 / limit else ""
        before, row = baseline.rows[name], now.rows[name]
        print(
            f"{mark:6}  {name:44} {before.ratio:8.2f} -> {row.ratio:8.2f}  (best {before.best_ratio:.2f} -> {row.best_ratio:.2f})"
        )
    for text, names in (("only in the baseline", baseline.rows.keys() - now.rows.keys()),
                        ("not in the baseline", now.rows.keys() - baseline.rows.keys())):  # fmt: skip
        if names:
            print(f"{text}: {', '.join(sorted(names))}")
    if slower:
        print(f"more than {given.limit:g} % slower: {', '.join(slower)}")
        return 1
    print(f"nothing is more than {given.limit:g} % slower ({len(compared)} benchmarks)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
