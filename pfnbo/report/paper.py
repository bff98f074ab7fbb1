"""The same figures as PNG files for papers, drawn by matplotlib."""

import math
from pathlib import Path
from typing import Any

import numpy as np

from pfnbo.errors import BenchError
from pfnbo.report.charts import Chart, convergence, every
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
        figure = Figure(figsize=(5, 3.4), layout="constrained")
        _draw(figure.subplots(), chart, place)
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
        ax.get_legend().remove()
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
    figure.legend(handles, named, loc="outside upper center", ncols=4, fontsize="small")


def _draw(ax, chart: Chart, place: dict[str, int]) -> None:
    for series in chart.series:
        number = place[series.method]
        colour, dash = COLOURS[number % 8], DASHES[(number + number // 8) % 4]
        if chart.marks:
            mark = MARKS[number // 8 % 4]
            ax.plot(series.x, series.y, mark, color=colour)
            ax.annotate(
                series.method,
                (series.x[0], series.y[0]),
                xytext=(6, -3),
                textcoords="offset points",
                fontsize="small",
            )
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
    if not chart.marks and chart.series:
        ax.legend(fontsize="x-small")
    ax.grid(alpha=0.25)
