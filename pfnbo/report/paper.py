"""The same figures as PNG files for papers, drawn by matplotlib."""

import math
from pathlib import Path
from typing import Any

import numpy as np

from pfnbo.errors import BenchError
from pfnbo.report.charts import Chart, Series, convergence, every
from pfnbo.report.comparison import Comparison

# As on the page in light mode, in the same order.
COLOURS = (
    "#0067b0",
    "#c8510a",
    "#00805a",
    "#a8408f",
    "#6a5acd",
    "#8a6d00",
    "#7a4a2b",
    "#b3213f",
)
DASHES = ("-", (0, (7, 3)), (0, (2, 3)), (0, (9, 3, 2, 3)))
MARKS = "osD^"


def save(comparison: Comparison, folder: Path) -> list[Path]:
    """Write every figure, and one of all problems, into a folder; return the files.

    Raises:
        BenchError: when matplotlib is missing.
    """
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise BenchError(
            "pictures need matplotlib: pip install 'pfnbo[plot]'"
        ) from error
    folder.mkdir(parents=True, exist_ok=True)
    place = {method: i for i, method in enumerate(comparison.methods)}
    files = []
    for chart in every(comparison):
        figure = Figure(figsize=(5, 3.8), layout="constrained")
        ax = figure.subplots()
        _draw(ax, chart, place)
        if not chart.marks:
            _legend(figure, *ax.get_legend_handles_labels(), "outside lower center")
        files.append(folder / f"{chart.name}.png")
        figure.savefig(files[-1], dpi=200)
    figure = Figure(layout="constrained")
    _draw_all(figure, comparison, place)
    files.append(folder / "convergence.png")
    figure.savefig(files[-1], dpi=150)
    return files


def _draw_all(figure: Any, comparison: Comparison, place: dict[str, int]) -> None:
    """Draw the convergence on each problem, in as many small panels."""
    columns = min(4, len(comparison.problems))
    rows = math.ceil(len(comparison.problems) / columns)
    figure.set_size_inches(2.6 * columns, 2 * rows + 0.8)
    panels = figure.subplots(rows, columns, sharex=True, squeeze=False).ravel()
    lines = {}
    for ax, problem in zip(panels, comparison.problems, strict=False):
        _draw(ax, convergence(comparison, problem), place)
        absolute = comparison.unit(problem) == "absolute"
        unit = ", absolute" if absolute else ""
        ax.set(title=problem + unit, xlabel="", ylabel="")
        ax.title.set_fontsize("small")
        ax.tick_params(which="both", labelsize="small", labelbottom=True)
        lines |= {line.get_label(): line for line in ax.get_lines()}
    for ax in panels[len(comparison.problems) :]:
        ax.remove()
    figure.supxlabel("evaluations", fontsize="small")
    figure.supylabel("median gap to the best known design", fontsize="small")
    named = [method for method in comparison.methods if method in lines]
    handles = [lines[method] for method in named]
    _legend(figure, handles, named, "outside upper center")


def _legend(figure: Any, handles: list[Any], names: list[str], place: str) -> None:
    # Long handles show the dashes that tell lines of one colour apart.
    style = dict(ncols=4, fontsize="small", handlelength=3)
    figure.legend(handles, names, loc=place, **style)


def _draw(ax, chart: Chart, place: dict[str, int]) -> None:
    for series in chart.series:
        number = place[series.method]
        colour, dash = COLOURS[number % 8], DASHES[(number + number // 8) % 4]
        if chart.marks:
            mark = MARKS[number // 8 % 4]
            ax.plot(series.x, series.y, mark, color=colour)
            _name(ax, chart, series)
            continue
        ax.plot(series.x, series.y, ls=dash, color=colour, label=series.method)
        if series.low is not None and series.high is not None:
            top = np.nanmax(series.y) if np.isfinite(series.y).any() else 1.0
            high = np.where(np.isfinite(series.high), series.high, top)
            known = np.isfinite(series.y)
            ax.fill_between(
                series.x[known],
                series.low[known],
                high[known],
                color=colour,
                alpha=0.12,
                lw=0,
            )
    ax.set(title=chart.title, xlabel=chart.x_label, ylabel=chart.y_label)
    if chart.log_x:
        ax.set_xscale("log")
    if chart.log_y:
        ax.set_yscale("log")
    if chart.shares:
        ax.set_ylim(-0.02, 1.02)
    if chart.marks:
        ax.margins(x=0.35)  # room for the names
    ax.grid(alpha=0.25)


def _name(ax: Any, chart: Chart, mark: Series) -> None:
    """Write the name of a mark on the side where the next one is farther."""
    (a,), (b,) = mark.x, mark.y
    beside = [o for o in chart.series if o is not mark and abs(o.y[0] - b) < 0.5]
    apart = np.array([np.log(other.x[0] / a) for other in beside])
    after = np.min(apart[apart >= 0], initial=np.inf)
    left = after < np.min(-apart[apart < 0], initial=np.inf)
    ax.annotate(
        mark.method,
        (a, b),
        xytext=(-6 if left else 6, -3),
        ha="right" if left else "left",
        textcoords="offset points",
        fontsize="small",
    )
