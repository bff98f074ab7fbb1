"""Pictures of results and priors; matplotlib is imported only when one is drawn."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from pfnbo.compilation import jit
from pfnbo.tasks.task import Prior, Sizes, draw

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from pfnbo.result import Result

Style = dict[str, Any]

FEASIBLE: Style = dict(marker="o", s=24, color="tab:blue", label="feasible")
INFEASIBLE: Style = dict(
    marker="o", s=24, facecolors="none", edgecolors="tab:gray", label="infeasible"
)
FAILED: Style = dict(ls="", marker="x", ms=5, color="tab:red", clip_on=False)
COLUMNS = 4  # panels side by side in a picture of slices
DRAWN = Sizes(capacity=64, queries=64, columns=1)  # of a task in a picture


def convergence(result: "Result") -> "Figure":
    """Return the objective over evaluations, with the best feasible one so far."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(7, 4), layout="constrained")
    ax = figure.subplots()
    trials = np.arange(1, len(result.func_vals) + 1)
    _scatter(ax, trials, result, np.ones(len(trials), bool))
    best = result.incumbents()
    if np.isfinite(best).any():
        ax.step(trials, best, where="post", color="tab:orange", label="best feasible")
    ax.set_xlabel("evaluation")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    ax.set_ylabel("objective" + (" (maximised)" if result.maximize else ""))
    _finish(ax, result)
    return figure


def slices(result: "Result") -> "Figure":
    """Return one panel per parameter with the objective against its value."""
    from matplotlib.figure import Figure

    names = list(result.names)
    columns = min(COLUMNS, len(names)) or 1
    rows = -(-len(names) // columns) or 1
    figure = Figure(figsize=(1 + 2.6 * columns, 0.6 + 2.4 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, sharey=True, squeeze=False)
    for i, (ax, name) in enumerate(zip(panels.flat, names, strict=False)):
        points = [x if isinstance(x, dict) else {name: x[i]} for x in result.x_iters]
        active = np.array([name in x for x in points], bool)
        values = [x[name] for x in points if name in x]
        _scatter(ax, _positions(ax, values), result, active)
        ax.set_xlabel(name)
    for ax in panels.flat[len(names) :]:
        ax.set_visible(False)
    for ax in panels[:, 0]:
        ax.set_ylabel("objective")
    _finish(panels.flat[0], result)
    return figure


def draws(prior: Prior, seed: int = 0) -> "Figure":
    """Return ten tasks of one column: what is seen, and the answers to the queries."""
    from matplotlib.figure import Figure

    with jax.enable_x64(True):
        key = jax.random.key(seed)
        tasks = jit(lambda key: draw(key, prior, DRAWN, 10, 10))(key)
        x, y, seen = (np.asarray(a) for a in (tasks.x[..., 0], tasks.y, tasks.seen))
    figure = Figure(figsize=(12, 4.6), layout="constrained")
    n = DRAWN.capacity
    for i, ax in enumerate(figure.subplots(2, 5, sharex=True).flat):
        ax.plot(x[i, n:], y[i, n:], ".", color="tab:gray", ms=4, label="queries")
        known = seen[i]
        ax.plot(x[i, :n][known], y[i, :n][known], "o", ms=4, label="seen")
        ax.set_title(prior.families[tasks.family[i]], fontsize="small")
    figure.axes[0].legend(fontsize="small")
    figure.supxlabel("the only column")
    return figure


def _scatter(ax: "Axes", x: np.ndarray, result: "Result", shown: np.ndarray) -> None:
    """Draw the evaluations shown at abscissa `x`, the failed ones on the lower edge."""
    f = result.func_vals[shown]
    failed = ~np.isfinite(f)
    feasible = np.asarray(result.feasible, bool)[shown] & ~failed
    infeasible = ~feasible & ~failed
    for mask, style in ((infeasible, INFEASIBLE), (feasible, FEASIBLE)):
        if mask.any():
            ax.scatter(x[mask], f[mask], **style)
    if failed.any():
        edge = np.zeros(int(failed.sum()))
        ax.plot(
            x[failed],
            edge,
            transform=ax.get_xaxis_transform(),
            label="failed",
            **FAILED,
        )


def _positions(ax: "Axes", values: list[Any]) -> np.ndarray:
    """Return where to draw the values; words and booleans get labelled ticks."""
    if all(_is_number(v) for v in values):
        return np.array(values, float)
    labels = [str(v) for v in values]
    choices = sorted(set(labels))
    ax.set_xticks(range(len(choices)), choices)
    return np.array([choices.index(label) for label in labels], float)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.number)) and not isinstance(value, bool)


def _finish(ax: "Axes", result: "Result") -> None:
    """Choose the scale of the objective and name the marks."""
    f = result.func_vals[np.isfinite(result.func_vals)]
    if len(f) and f.min() > 0 and f.max() > 100 * f.min():
        ax.set_yscale("log")
    if ax.get_legend_handles_labels()[0]:
        ax.legend(fontsize="small")


PLOTS: dict[str, Callable[["Result"], "Figure"]] = {
    "convergence": convergence,
    "slices": slices,
}
