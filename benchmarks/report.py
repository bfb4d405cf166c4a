"""Draws results: `python benchmarks/report.py RESULT.json... -o report.html`.

One page that needs nothing else: the newest run's ratios as bars and as a table, and where several files are given, how
each ratio went over the runs. `--series FILE` writes the newest ratios besides, as the list of {name, unit, value} that
github-action-benchmark takes as customSmallerIsBetter. Needs matplotlib (pip install '.[bench]').
"""

from __future__ import annotations

import argparse
import html
import io
import json
import math
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from results import ResultError, Row, Run, geometric_mean, load, time_text

COLOURS = {"sud": "#0b6e99", "trap": "#e08e2b", "ptrace": "#9d4edd", "": "#5c6770"}
TITLES = {"calls": "Single calls", "processes": "Threads and processes", "start": "Starting a program", "go": "Go programs",
          "servers": "Servers", "tools": "FreeBSD's tools", "programs": "Programs of others"}  # fmt: skip
#: Inches.
_WIDTH, _ROW, _FRAME, _LABELS = 9.6, 0.46, 0.65, 1.75
_CHART = (2.5, 2.0)
_ACROSS = 4

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1d2329; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: .2rem; } h2 { font-size: 1.2rem; margin: 2.2rem 0 .4rem; }
.about, figcaption { color: #5c6770; }
.key span { display: inline-block; margin-right: 1.4rem; }
.key i { display: inline-block; width: .8rem; height: .8rem; margin-right: .4rem; border-radius: 2px; vertical-align: -1px; }
figure { margin: 0; } svg { max-width: 100%; height: auto; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { text-align: left; padding: .25rem .6rem; border-bottom: 1px solid #e3e7ea; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
tr.first td { border-top: 2px solid #c5ccd2; }
"""


def _pyplot():
    import matplotlib

    matplotlib.use("svg")
    # Text stays text, so that the page can be searched; ids that do not change from run to run.
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "lsf", "font.family": "sans-serif", "font.size": 9,
                                "axes.spines.top": False, "axes.spines.right": False})  # fmt: skip
    from matplotlib import pyplot

    return pyplot


def _svg(pyplot, figure, description: str) -> str:
    """A figure as an element of the page."""
    out = io.StringIO()
    figure.savefig(out, format="svg", metadata={"Date": None})
    pyplot.close(figure)
    text = out.getvalue()
    label = html.escape(description, quote=True)
    return text[text.index("<svg") :].replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)


def parts(run: Run) -> dict[str, dict[str, list[Row]]]:
    """The rows by part and label, in the order of the file: {part: {label: [a row for each engine]}}."""
    found: dict[str, dict[str, list[Row]]] = {}
    for row in run.rows.values():
        found.setdefault(row.part, {}).setdefault(row.label, []).append(row)
    return {part: found[part] for part in [*(p for p in TITLES if p in found), *(p for p in found if p not in TITLES)]}


def _ratio_axis(axis, low: float, high: float) -> None:
    """A logarithmic axis of ratios, marked at round ones."""
    axis.set_xscale("log")
    axis.set_xlim(low, high)
    marks = [base * 10.0**power for power in range(-3, 4) for base in (1, 2, 5)]
    marks = [mark for mark in marks if low <= mark <= high]
    if len(marks) > 9:
        marks = [mark for mark in marks if f"{mark:g}".strip("0.") == "1"]
    axis.set_xticks(marks, [f"{mark:g}" for mark in marks])
    axis.set_xticks([], minor=True)


def bars(pyplot, labels: dict[str, list[Row]], title: str) -> str:
    """The ratios of one part: a group of bars for each label, one for each engine, with the range of the rounds.

    The bars begin at 1, as fast as the native twin: to the right is slower, to the left faster."""
    tall = _FRAME + _ROW * len(labels)
    figure, axis = pyplot.subplots(figsize=(_WIDTH, tall))
    figure.subplots_adjust(left=_LABELS / _WIDTH, right=1 - 0.3 / _WIDTH, bottom=0.55 / tall, top=1 - 0.1 / tall)
    ratios = [value for rows in labels.values() for row in rows for value in (*row.ratios, row.ratio)]
    low, high = min(0.5, min(ratios) / 1.3), max(4.0, max(ratios) * 1.8)
    for place, rows in enumerate(labels.values()):
        thick = 0.8 / len(rows)
        for index, row in enumerate(rows):
            at = place + (index - (len(rows) - 1) / 2) * thick
            axis.barh(at, row.ratio - 1, left=1, height=thick * 0.86, color=COLOURS.get(row.engine, COLOURS[""]))
            axis.plot((min(row.ratios), max(row.ratios)), (at, at), color="#1d2329", alpha=0.45, linewidth=1)
            text = f"{row.ratio:.2f}" if row.ratio < 10 else f"{row.ratio:.0f}"
            axis.annotate(text, (max(1, row.ratio, *row.ratios), at), xytext=(4, 0), textcoords="offset points", va="center",
                          fontsize=7.5)  # fmt: skip
    axis.axvline(1, color="#1d2329", linewidth=1)
    _ratio_axis(axis, low, high)
    axis.set_yticks(range(len(labels)), labels)
    axis.set_ylim(len(labels) - 0.5, -0.5)
    axis.tick_params(axis="y", length=0)
    axis.spines.left.set_visible(False)
    axis.grid(axis="x", color="#e3e7ea", linewidth=0.7)
    axis.set_axisbelow(True)
    axis.set_xlabel("times as long as its native twin")
    return _svg(pyplot, figure, f"{title}: ratios to the native twins, as in the table below")


def history(pyplot, runs: list[Run], labels: dict[str, list[Row]], title: str) -> str:
    """The ratios of one part over the runs: a small chart for each label."""
    down = math.ceil(len(labels) / _ACROSS)
    figure, axes = pyplot.subplots(down, _ACROSS, figsize=(_CHART[0] * _ACROSS, _CHART[1] * down), layout="constrained",
                                   squeeze=False)  # fmt: skip
    for axis in axes.flat[len(labels) :]:
        axis.set_axis_off()
    names = [run.commit[:7] or run.date[:10] or str(number) for number, run in enumerate(runs, 1)]
    for axis, (label, rows) in zip(axes.flat, labels.items(), strict=False):
        for row in rows:
            points = [(n, run.rows[row.name].ratio) for n, run in enumerate(runs) if row.name in run.rows]
            axis.plot(
                *zip(*points, strict=True),
                color=COLOURS.get(row.engine, COLOURS[""]),
                marker="o",
                markersize=3,
                linewidth=1.4,
            )
        axis.set_title(label, fontsize=9, loc="left")
        axis.set_ylim(0, 1.15 * max(run.rows[row.name].ratio for run in runs for row in rows if row.name in run.rows))
        axis.locator_params(axis="y", nbins=4)
        shown = sorted({0, len(runs) - 1})
        axis.set_xticks(shown, [names[n] for n in shown], fontsize=7)
        axis.set_xlim(-0.3, len(runs) - 0.7)
        axis.tick_params(axis="y", labelsize=7)
        axis.grid(axis="y", color="#e3e7ea", linewidth=0.7)
        axis.set_axisbelow(True)
    return _svg(pyplot, figure, f"{title}: the ratios over {len(runs)} runs")


def table(found: dict[str, dict[str, list[Row]]]) -> str:
    """All numbers of a run."""
    lines = ['<table><thead><tr><th>benchmark</th><th>engine</th><th class="number">LSF</th><th class="number">native</th>'
             '<th class="number">ratio</th><th class="number">rounds</th><th>per</th><th>native twin</th></tr></thead><tbody>']  # fmt: skip
    for labels in found.values():
        for label, rows in labels.items():
            for index, row in enumerate(rows):
                cells = [("", label if index == 0 else ""), ("", row.engine or "–"), ("number", time_text(row.ns)),
                         ("number", time_text(row.native_ns)), ("number", f"{row.ratio:.2f}"),
                         ("number", f"{min(row.ratios):.2f}–{max(row.ratios):.2f}"), ("", row.per), ("", row.native)]  # fmt: skip
                text = "".join(f'<td class="{kind}">{html.escape(cell)}</td>' if kind else f"<td>{html.escape(cell)}</td>"
                               for kind, cell in cells)  # fmt: skip
                lines.append(f"<tr{' class=first' if index == 0 else ''}>{text}</tr>")
    return "\n".join([*lines, "</tbody></table>"])


def page(runs: list[Run]) -> str:
    """The whole page for runs in the order of time."""
    pyplot = _pyplot()
    newest = runs[-1]
    found = parts(newest)
    engines = [engine for engine in COLOURS if any(row.engine == engine for row in newest.rows.values())]
    means = {}
    for engine in filter(None, engines):
        counted = [row.ratio for row in newest.rows.values() if row.engine == engine and row.linux_calls]
        if counted:
            means[engine] = geometric_mean(counted)
    key = "".join(f'<span><i style="background:{COLOURS[engine]}"></i>{engine or "no engine of its own"}'
                  f'{f", geometric mean {means[engine]:.2f}" if engine in means else ""}</span>' for engine in engines)  # fmt: skip
    about = " · ".join(filter(None, (newest.date[:16].replace("T", " "), newest.commit, newest.machine)))
    body = [
        "<h1>LSF beside Linux</h1>",
        f'<p class="about">{html.escape(about)}</p>',
        "<p>How many times as long a FreeBSD program takes under LSF as its native twin, measured in turn with it. Bars are medians"
        " and begin at 1, as fast as the twin: to the right LSF is slower, to the left faster. The thin lines go from the best round"
        " to the worst. The scale is logarithmic. Calls that the shim answers without Linux are not in the means.</p>",
        f'<p class="key">{key}</p>',
    ]
    for part, labels in found.items():
        title = TITLES.get(part, part)
        body += [f"<h2>{html.escape(title)}</h2>", f"<figure>{bars(pyplot, labels, title)}</figure>"]
    if len(runs) > 1:
        body.append(f"<h2>Over {len(runs)} runs</h2>")
        for part, labels in found.items():
            title = TITLES.get(part, part)
            body.append(
                f"<figure><figcaption>{html.escape(title)}</figcaption>{history(pyplot, runs, labels, title)}</figure>"
            )
    body += ["<h2>All numbers</h2>", table(found)]
    return (f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">\n'
            f"<title>LSF beside Linux</title><style>{_STYLE}</style></head><body>\n" + "\n".join(body) + "\n</body></html>\n")  # fmt: skip


def series(run: Run) -> list[dict]:
    """The ratios as github-action-benchmark's customSmallerIsBetter takes them."""
    return [{"name": row.name, "unit": "times native", "value": row.ratio,
             "range": f"{min(row.ratios):.3f} to {max(row.ratios):.3f}"} for row in run.rows.values()]  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "results", nargs="+", help="JSON files of pytest-benchmark; they are put in the order of their dates"
    )
    parser.add_argument("-o", "--output", default="report.html", help="the page (default: report.html)")
    parser.add_argument("--series", metavar="FILE", help="write the newest ratios as JSON besides")
    given = parser.parse_args(arguments)
    try:
        runs = sorted((load(path) for path in given.results), key=lambda run: run.date)
    except ResultError as error:
        print(error, file=sys.stderr)
        return 2
    Path(given.output).write_text(page(runs), encoding="utf-8")
    if given.series:
        Path(given.series).write_text(json.dumps(series(runs[-1]), indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
