"""What the figures of a report show; `svg` and `paper` draw them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pfnbo.bench.results import Run
from pfnbo.bench.statistics import (
    data_profile,
    feasible_fraction,
    performance_profile,
)
from pfnbo.report.comparison import SOLVED, Comparison

FLOOR = 1e-6  # smaller gaps are drawn here: no engineer tells them apart


@dataclass(frozen=True, eq=False)
class Series:
    """One line with its band, or one mark."""

    method: str
    x: np.ndarray  # (n,)
    y: np.ndarray  # (n,), NaN where there is nothing to draw
    low: np.ndarray | None = None  # (n,) of the band
    high: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Chart:
    """A figure: its words, its scales and its series."""

    name: str  # of its file
    title: str
    x_label: str
    y_label: str
    series: tuple[Series, ...]
    log_x: bool = False
    log_y: bool = False
    shares: bool = False  # the ordinate goes from 0 to 1
    marks: bool = False  # each series is a mark with its name


def convergence(comparison: Comparison, problem: str) -> Chart:
    """Return the median gap over evaluations, with the quartiles as a band."""
    series = []
    for method in comparison.methods:
        curves = comparison.curves(problem, method)
        if len(curves):
            series.append(_quartiles(method, curves))
    return Chart(
        f"convergence_{problem}",
        "Gap to the best known design",
        "evaluations",
        f"median gap, {comparison.unit(problem)}, with quartiles",
        tuple(series),
        log_y=True,
    )


def relative(comparison: Comparison) -> Chart:
    """Return the gap in units of random search's, its quartiles over problems.

    It has no series where random search was not run.
    """
    methods = comparison.methods if comparison.random else ()
    return Chart(
        "relative",
        "Gap relative to random search",
        "evaluations",
        f"median gap / {comparison.random}, with quartiles",
        tuple(_quartiles(method, comparison.ratios(method)) for method in methods),
        log_y=True,
    )


def _quartiles(method: str, curves: np.ndarray) -> Series:
    """Return the median of curves (n, trials) with a band."""
    quartiles = np.quantile(curves, (0.25, 0.5, 0.75), axis=0, method="lower")
    low, middle, high = np.maximum(quartiles, FLOOR)
    middle = np.where(np.isfinite(middle), middle, np.nan)
    trials = np.arange(1.0, len(middle) + 1)
    return Series(method, trials, middle, low, high)


def feasibility(comparison: Comparison, problem: str = "") -> Chart:
    """Return the share of runs that hold a feasible design.

    Args:
        comparison: the runs.
        problem: one, or all problems, of which then the pairs count that all have run.
    """
    found = [
        (
            m,
            comparison.of(problem=problem, method=m)
            if problem
            else comparison.shared(m),
        )
        for m in comparison.methods
    ]
    return Chart(
        f"feasibility_{problem}" if problem else "feasibility",
        "Runs with a feasible design",
        "evaluations",
        "share of runs",
        tuple(_share(m, feasible_fraction(runs)) for m, runs in found if runs),
        shares=True,
    )


def solved(comparison: Comparison) -> Chart:
    """Return the share of runs within 1 % of the optimum over evaluations."""
    methods, costs = comparison.costs()
    budgets = np.arange(1.0, comparison.trials + 1)
    shares = data_profile(costs, budgets)
    return Chart(
        "solved",
        f"Runs within {100 * SOLVED:g} % of the best known design",
        "evaluations",
        "share of runs",
        tuple(_share(m, column) for m, column in zip(methods, shares.T, strict=True)),
        shares=True,
    )


def profile(comparison: Comparison) -> Chart:
    """Return performance profiles of the evaluations to within 1 % of the optimum."""
    methods, costs = comparison.costs()
    ratios = np.geomspace(1, max(comparison.trials, 2), 60)
    shares = performance_profile(costs, ratios)
    return Chart(
        "profile",
        "Performance profile",
        f"evaluations to {100 * SOLVED:g} %, as a multiple of the best method's",
        "share of runs solved",
        tuple(
            Series(m, ratios, column)
            for m, column in zip(methods, shares.T, strict=True)
        ),
        log_x=True,
        shares=True,
    )


def speed(comparison: Comparison) -> Chart:
    """Return the mean rank of each method against its time per suggestion."""
    rank = dict(zip(comparison.table.methods, comparison.ranks.mean, strict=True))
    marks = []
    for method in comparison.table.methods:
        seconds = comparison.seconds(method)
        if seconds > 0:
            marks.append(Series(method, np.array([seconds]), np.array([rank[method]])))
    return Chart(
        "speed",
        "Speed against quality",
        "CPU seconds per suggestion, median",
        "mean rank, 1 is best",
        tuple(marks),
        log_x=True,
        marks=True,
    )


def every(comparison: Comparison) -> list[Chart]:
    """Return all figures: those of all problems first."""
    charts = overview(comparison)
    for problem in comparison.problems:
        charts += [convergence(comparison, problem), feasibility(comparison, problem)]
    return charts


def overview(comparison: Comparison) -> list[Chart]:
    """Return the figures over all problems that have something to show."""
    figures = [
        solved(comparison),
        profile(comparison),
        relative(comparison),
        speed(comparison),
        feasibility(comparison),
    ]
    return [figure for figure in figures if figure.series]


def _share(method: str, shares: Sequence[float] | np.ndarray) -> Series:
    return Series(method, np.arange(1.0, len(shares) + 1), np.asarray(shares, float))


def constrained(runs: Sequence[Run]) -> bool:
    """Return whether any evaluation violated a constraint."""
    return any(np.any(run.violation > 0) for run in runs)
