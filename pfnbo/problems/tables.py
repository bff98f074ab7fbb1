"""Problems that look their values up in published tables of measurements.

`gb1`, `tfbind8`, `nasbench201` and their like return a `Problem`; the tables ship with
pfnbo (their origins and licences are in `data/README.md`) and are read at the first
call. The best value is that of an enumeration.
"""

import csv
import functools
import gzip
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pfnbo.dimensions import Categorical, Dimension, Float, Int
from pfnbo.errors import ProblemError
from pfnbo.problems.problem import Problem, Result
from pfnbo.problems.synthetic import NONE
from pfnbo.space import Space

DATA = Path(__file__).with_name("data")
AMINO_ACIDS = tuple("ACDEFGHIKLMNPQRSTVWY")
BASES = tuple("ACGT")
OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
EDGES = ("1<-0", "2<-0", "2<-1", "3<-0", "3<-1", "3<-2")
IMAGES = ("cifar10", "cifar100", "ImageNet16-120")
XGBOOST_TASKS = 48
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


@functools.cache
def gb1(path: str | Path | None = None) -> Problem:
    """Return minus the fitness of the variants of protein GB1 at four sites.

    Args:
        path: another table, CSV that may be gzip-ed, with a head and then lines of four
            letters and a fitness; the one that ships when left out.

    Raises:
        ProblemError: when the file is missing or no such table.

    Source: Wu et al. 2016, eLife 5, e16965.
    """
    fitness = gb1_fitness(path)
    return _best_cell(
        "gb1",
        {site: Categorical(AMINO_ACIDS) for site in ("V39", "D40", "G41", "V54")},
        Cells(-np.nan_to_num(fitness)),
        source="Wu et al. 2016",
        remarks="the wild type, VDGV, has fitness 1; the 10,639 of 160,000 variants "
        "that were not measured count as 0",
    )


def gb1_fitness(path: str | Path | None = None) -> np.ndarray:
    """Return the fitness of every variant `(20, 20, 20, 20)`, NaN where not measured.

    Args:
        path: as of `gb1`.
    """
    if path is None:
        packed = _packed("gb1")["fitness"]
        return np.where(packed < 0, np.nan, packed / 1e6)
    return _variants(Path(path))


def _variants(path: Path) -> np.ndarray:
    fitness = np.full((len(AMINO_ACIDS),) * 4, np.nan)
    lines = _lines(path)
    try:
        for variant, value in lines[1:]:
            a, b, c, d = map(AMINO_ACIDS.index, variant)
            fitness[a, b, c, d] = float(value)
    except ValueError as error:
        raise ProblemError(
            f"{path} is no table of GB1: wanted a head and lines such as VDGV,1.0 "
            f"({error})."
        ) from error
    return fitness


@functools.cache
def tfbind8() -> Problem:
    """Return minus the E-score of how the factor SIX6 binds a DNA of eight bases.

    Source: Barrera et al. 2016, Science 351.
    """
    words = np.indices((len(BASES),) * 8).reshape(8, -1).T
    # The table has one strand of each pair, in the order of the alphabet.
    place = 4 ** np.arange(7, -1, -1)
    own, other = words @ place, (3 - words[:, ::-1]) @ place
    strands = np.unique(np.minimum(own, other))
    score = _packed("tfbind8")["escore"] / 1e5
    score = score[np.searchsorted(strands, np.minimum(own, other))]
    return _best_cell(
        "tfbind8",
        {f"base{i}": Categorical(BASES) for i in range(1, 9)},
        Cells(-score.reshape((len(BASES),) * 8)),
        source="Barrera et al. 2016",
        remarks="a DNA and its reverse complement have the same score",
    )


@functools.cache
def nasbench201(images: str = "cifar10") -> Problem:
    """Return the validation error (%) of the cells of NAS-Bench-201.

    Args:
        images: "cifar10", which has a lower fidelity, "cifar100" or "ImageNet16-120".

    Raises:
        ProblemError: for others.

    Source: Dong & Yang 2020, ICLR, arXiv 2001.00326.
    """
    if images not in IMAGES:
        raise ProblemError(f"NAS-Bench-201 has no {images!r}: wanted one of {IMAGES}.")
    error = 100 - _packed("nasbench201")["accuracy"] / 500
    first = images == "cifar10"
    return _best_cell(
        f"nasbench201_{images}",
        {f"op {edge}": Categorical(OPERATIONS) for edge in EDGES},
        Cells(error[IMAGES.index(images)], (error[3],) if first else ()),
        source="Dong & Yang 2020",
        remarks="mean over the trainings of 200 epochs"
        + "; the lower fidelity is a training of 12" * first,
        costs=(12 / 200, 1.0) if first else (1.0,),
    )


@functools.cache
def xgboost(task: int) -> Problem:
    """Return the error of XGBoost on one of 48 data sets, of its nearest setting.

    Args:
        task: 0 to 47; others trained on 0-19 and tested on 34-47.

    Raises:
        ProblemError: when there is no such task.

    Source: Maraval et al. 2023, NeurIPS, arXiv 2305.15930, after HPO-Bench.
    """
    if not 0 <= task < XGBOOST_TASKS:
        raise ProblemError(
            f"xgboost got task {task}: there are 0 to {XGBOOST_TASKS - 1}."
        )
    table = _packed("xgboost")
    n = table["n"][task]
    x, error = table["x"][task, :n], table["error"][task, :n]
    return _best_row(
        f"xgboost{task}",
        Nearest(Space(XGBOOST), x.astype(float), error.astype(float)),
        source="Maraval et al. 2023",
        remarks="the value of the nearest of about 1,000 settings; the source does not "
        "name their six numbers",
    )


@functools.cache
def astrasim() -> Problem:
    """Return the simulated runtime of the nearest of 1,792 designs of a cluster.

    Source: Krishnan et al. 2023, ISCA, "ArchGym", arXiv 2306.08888.
    """
    head, *lines = _lines(DATA / "astrasim.csv.gz")
    columns = dict(zip(head, zip(*lines, strict=True), strict=True))
    runtime = np.array(columns["observation-1"], dtype=float)
    # The number of links follows from the topology; other columns never vary.
    free = {
        name: _column(texts)
        for name, texts in columns.items()
        if len(set(texts)) > 1 and not name.startswith(("observation", "links"))
    }
    rows = np.column_stack([column for _, column in free.values()])
    space = Space({name: dimension for name, (dimension, _) in free.items()})
    return _best_row(
        "astrasim",
        Nearest(space, rows, runtime),
        source="Krishnan et al. 2023",
        remarks="the value of the nearest row; the latencies, bandwidths and network "
        "choices have the names and ranges of the table",
    )


def _column(texts: tuple[str, ...]) -> tuple[Dimension, np.ndarray]:
    """Return the dimension that a column of texts spans, and its numbers."""
    try:
        numbers = np.array(texts, dtype=float)
    except ValueError:
        choices = tuple(sorted(set(texts)))
        return Categorical(choices), np.array([choices.index(t) for t in texts], float)
    low, high = float(numbers.min()), float(numbers.max())
    if np.all(numbers == np.round(numbers)):
        return Int(int(low), int(high)), numbers
    return Float(low, high), numbers


def _packed(name: str) -> Any:
    return np.load(DATA / f"{name}.npz")


def _lines(path: Path) -> list[list[str]]:
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rt", encoding="utf-8", newline="") as file:
            return list(csv.reader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise ProblemError(f"{path} can't be read as a table: {error}.") from error


TABLES: dict[str, Callable[[], Problem]] = {
    "astrasim": astrasim,
    "gb1": gb1,
    **{f"nasbench201_{i}": functools.partial(nasbench201, i) for i in IMAGES},
    "tfbind8": tfbind8,
}
