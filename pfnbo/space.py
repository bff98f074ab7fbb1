"""Search spaces: checks user values and maps them to rows of the unit cube and back.

A numeric dimension takes one cube column, an unordered categorical one column per
choice (one-hot), and a dimension with a single value none at all. Where a dimension is
not active, its column is in the middle, or none of its choices is hot.
"""

import copy
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pfnbo.conditions import (
    SAME_POINT,
    Branch,
    active,
    cardinality,
    every_point,
    resolve,
)
from pfnbo.dimensions import Categorical, Dimension, Int, as_dimension
from pfnbo.errors import SpaceError

TOGETHER = 16  # rows compared with all candidates at once
HOME = 0.5  # of the column of a dimension that is not active


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Grid:
    """What a maximizer must know of a space: which cube columns are discrete."""

    levels: jax.Array  # (columns,) number of legal values, 0 where continuous
    ratio: jax.Array  # (columns,) high / low on log scales, 1 elsewhere
    groups: tuple[tuple[int, int], ...] = field(metadata=dict(static=True))
    discrete: tuple[int, ...] = field(metadata=dict(static=True))
    branches: tuple[Branch, ...] = field(default=(), metadata=dict(static=True))

    @property
    def gap(self) -> jax.Array:
        """Distance of neighbouring levels, 0 where continuous, (columns,)."""
        return jnp.where(self.levels > 1, 1 / jnp.maximum(self.levels - 1, 1), 0)

    @property
    def stepped(self) -> bool:
        """Whether any column is discrete."""
        return bool(self.discrete or self.groups)

    @property
    def ordered(self) -> np.ndarray:
        """Which columns are not part of a one-hot group, (columns,) bool."""
        ordered = np.ones(self.levels.shape[0], bool)
        for start, width in self.groups:
            ordered[start : start + width] = False
        return ordered

    @property
    def moving(self) -> np.ndarray:
        """Which columns are continuous, (columns,) bool."""
        moving = self.ordered
        moving[list(self.discrete)] = False
        return moving

    def snap(
        self,
        x: jax.Array,  # (columns,)
    ) -> jax.Array:
        """Return the legal row nearest to `x`."""
        x = jnp.clip(x, 0, 1)
        if not self.stepped:
            return x
        last = jnp.maximum(self.levels - 1, 1)
        # On a log scale the legal values are even in t, not in x.
        span = jnp.where(self.ratio > 1, self.ratio - 1, 1)
        t = jnp.where(self.ratio > 1, (self.ratio**x - 1) / span, x)
        t = jnp.round(t * last) / last
        back = jnp.log1p(t * span) / jnp.log(jnp.where(self.ratio > 1, self.ratio, 2))
        x = jnp.where(self.levels > 0, jnp.where(self.ratio > 1, back, t), x)
        for start, width in self.groups:
            hot = jax.nn.one_hot(jnp.argmax(x[start : start + width]), width)
            x = x.at[start : start + width].set(hot.astype(x.dtype))
        return self.settle(x)

    def active(self, x: Any, xp: ModuleType = jnp) -> Any:
        """Return which columns of legal rows count, `(..., columns)` bool.

        Args:
            x: rows `(..., columns)`.
            xp: the NumPy to use, jax's or the host's.
        """
        if not self.branches:
            return xp.ones(x.shape, bool)
        counts = [xp.ones(x.shape[:-1], bool)] * x.shape[-1]
        for branch in self.branches:
            holds = xp.ones(x.shape[:-1], bool)
            for some in branch.needs:
                near = [abs(x[..., j] - value) < SAME_POINT for j, value in some]
                holds = holds & xp.any(xp.stack(near), axis=0)
            width = branch.stop - branch.start
            counts[branch.start : branch.stop] = [holds] * width
        return xp.stack(counts, axis=-1)

    def settle(self, x: Any, xp: ModuleType = jnp) -> Any:
        """Return legal rows with the columns that do not count in one place."""
        if not self.branches:
            return x
        home = np.zeros(x.shape[-1])
        for branch in self.branches:
            home[branch.start : branch.stop] = branch.home
        return xp.where(self.active(x, xp), x, home.astype(x.dtype))


class Space:
    """A box of named dimensions and its image, the unit cube.

    Args:
        dimensions: name -> `Float`, `Int`, `Categorical` or a `(low, high)` pair,
            which is always a float, whatever the type of its ends. One with a `when`
            is left out of the points where it is not active.
        keyed: whether points are dicts (True) or 1-D arrays in the same order.
        candidates: the only points that are proposed (a catalogue, the rows of a
            table); None for all points of the box.

    Raises:
        SpaceError: when there is no dimension or one has no meaning, or its `when`,
            or a candidate lies outside.
    """

    def __init__(
        self,
        dimensions: Mapping[str, Any],
        *,
        keyed: bool = True,
        candidates: Iterable[Any] | None = None,
    ) -> None:
        """Check the dimensions and lay out the cube columns."""
        if not dimensions:
            raise SpaceError("the space has no dimension: give at least one.")
        for name in dimensions:
            if not isinstance(name, str) or not name:
                raise SpaceError(f"dimension name {name!r}: use a non-empty string.")
        self.dimensions = {n: as_dimension(n, v) for n, v in dimensions.items()}
        for name, dimension in self.dimensions.items():
            dimension.check(name)
        self._needs = resolve(self.dimensions)
        self.conditional = any(self._needs.values())
        categorical = any(isinstance(d, Categorical) for d in self.values())
        self.keyed = keyed or categorical or self.conditional
        widths = [_width(d) for d in self.values()]
        self._starts = np.concatenate([[0], np.cumsum(widths)]).astype(int)
        self.columns = int(self._starts[-1])
        self._candidates: dict[bytes, Any] = {}  # points by their rows
        self.candidate_rows: np.ndarray | None = None  # (n, columns)
        if candidates is not None:
            self._keep_candidates(candidates)

    @classmethod
    def from_bounds(cls, bounds: Any) -> "Space":
        """Return the space that any accepted form of bounds describes.

        Args:
            bounds: a `Space`, dict, `scipy.optimize.Bounds`, list of pairs or
                `(d, 2)` array.
        """
        if isinstance(bounds, Space):
            return bounds
        if isinstance(bounds, Mapping):
            return cls(bounds)
        if hasattr(bounds, "lb") and hasattr(bounds, "ub"):  # scipy.optimize.Bounds
            low, high = np.broadcast_arrays(bounds.lb, bounds.ub)
            bounds = np.stack([np.atleast_1d(low), np.atleast_1d(high)], axis=1)
        try:
            pairs = list(bounds)
        except TypeError:
            raise SpaceError(
                f"bounds are {bounds!r}: wanted pairs such as [(0, 1), (-5, 5)]."
            ) from None
        return cls({f"x{i}": pair for i, pair in enumerate(pairs)}, keyed=False)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the dimensions in order."""
        return tuple(self.dimensions)

    def values(self) -> tuple[Dimension, ...]:
        """Dimensions in order."""
        return tuple(self.dimensions.values())

    def __len__(self) -> int:
        """Return the number of dimensions."""
        return len(self.dimensions)

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names."""
        return iter(self.dimensions)

    def __getitem__(self, name: str) -> Dimension:
        """Return the dimension of that name."""
        return self.dimensions[name]

    def __repr__(self) -> str:
        """Return the dimensions, and how many candidates there are."""
        listed = f", {self.cardinality} candidates" if self._candidates else ""
        return f"Space({self.dimensions!r}{listed})"

    def block(self, name: str) -> slice:
        """Return the cube columns of a dimension; of a single value it has none."""
        start = int(self._starts[self.names.index(name)])
        return slice(start, start + _width(self[name]))

    @cached_property
    def cardinality(self) -> float:
        """Number of different points, infinite when a dimension is continuous."""
        if self.candidate_rows is not None:
            return len(self.candidate_rows)
        return cardinality(self.dimensions, self._needs)

    @cached_property
    def grid(self) -> Grid:
        """The discrete structure of the cube columns, for the maximizer."""
        levels, ratio = np.zeros(self.columns), np.ones(self.columns)
        groups = []
        for dimension, start in zip(self.values(), self._starts, strict=False):
            width = _width(dimension)
            if width > 1:
                groups.append((int(start), width))
            elif width == 1:
                levels[start] = dimension.levels
                if not isinstance(dimension, Categorical) and dimension.log:
                    ratio[start] = dimension.high / dimension.low
        discrete = tuple(int(i) for i in np.flatnonzero(levels))
        return Grid(levels, ratio, tuple(groups), discrete, self._branches())  # type: ignore[arg-type]

    def encode(self, x: Any) -> np.ndarray:
        """Return the cube row of one user point.

        Args:
            x: dict of values, or 1-D array-like in the order of the dimensions. Those
                that are not active may be left out of a dict; their values are ignored.

        Returns:
            float64 row `(columns,)`.

        Raises:
            SpaceError: when a value is missing, unknown or outside its bounds.
        """
        row, given = np.zeros(self.columns), self._given(x)
        for (name, dimension), start in zip(
            self.dimensions.items(), self._starts, strict=False
        ):
            width = _width(dimension)
            if name not in given:
                row[start : start + width] = HOME if width == 1 else 0.0
                continue
            position = dimension.position(name, given[name])
            if width == 1:
                row[start] = position
            elif width > 1:
                row[start + round(position * (width - 1))] = 1.0
        return row

    def decode(self, row: np.ndarray) -> Any:
        """Return the user point of a cube row, snapped to legal values.

        A candidate is returned as it was given, to the last digit.

        Args:
            row: `(columns,)` in [0, 1].
        """
        candidate = self._candidates.get(np.asarray(row, float).tobytes())
        if candidate is not None:
            return copy.copy(candidate)
        values = [
            d.at(_position(row[s : s + _width(d)]))
            for d, s in zip(self.values(), self._starts, strict=False)
        ]
        if not self.keyed:
            return np.array(values, dtype=float)
        point = dict(zip(self.names, values, strict=True))
        return {n: v for n, v in point.items() if self._active(n, point)}

    def snap(self, row: np.ndarray) -> np.ndarray:
        """Return the cube row that `decode` would use."""
        return self.encode(self.decode(np.clip(row, 0, 1)))

    def design(self, n: int, seed: int) -> np.ndarray:
        """Return `n` scrambled Sobol points as cube rows `(n, columns)`.

        Every value of a discrete dimension is equally likely.
        """
        from scipy.stats import qmc  # slow to import

        sobol = qmc.Sobol(len(self), rng=np.random.default_rng(seed))
        u = sobol.random_base2(max(n - 1, 0).bit_length())[:n]
        rows = np.zeros((n, self.columns))
        for j, (dimension, start) in enumerate(
            zip(self.values(), self._starts, strict=False)
        ):
            width = _width(dimension)
            level = np.floor(u[:, j] * max(dimension.levels, 1)).astype(int)
            if width > 1:
                rows[np.arange(n), start + level] = 1.0
            elif width == 1:
                rows[:, start] = _spread(dimension, u[:, j], level)
        return self.grid.settle(rows, np)

    def nearest(
        self,
        rows: np.ndarray,  # (n, columns)
    ) -> np.ndarray:
        """Return the candidates nearest to some rows; these where none are listed."""
        listed = self.candidate_rows
        if listed is None:
            return rows
        squares = np.sum(listed**2, axis=1)
        parts = np.array_split(rows, max(1, len(rows) // TOGETHER))
        found = [np.argmin(squares - 2 * part @ listed.T, axis=1) for part in parts]
        return listed[np.concatenate(found)]

    def every_row(self) -> np.ndarray:
        """Return all rows of a finite space `(cardinality, columns)`."""
        if self.candidate_rows is not None:
            return self.candidate_rows
        points = every_point(self.dimensions, self._needs)
        return np.stack([self.encode(point) for point in points])

    def _keep_candidates(self, candidates: Iterable[Any]) -> None:
        """Keep the candidates, each of them once."""
        points, rows = [], []
        for i, x in enumerate(candidates):
            try:
                rows.append(self.encode(x))
            except SpaceError as error:
                raise SpaceError(f"candidate {i}: {error}") from None
            points.append(self._as_given(x, rows[-1]))
        if not points:
            raise SpaceError("candidates have no point: give at least one, or None.")
        first = np.sort(np.unique(rows, axis=0, return_index=True)[1])
        self.candidate_rows = np.array(rows)[first]
        self._candidates = {rows[i].tobytes(): points[i] for i in first}

    def _as_given(self, x: Any, row: np.ndarray) -> Any:
        """Return a point in legal form, continuous values to the last digit."""
        given, point = self._given(x), self.decode(row)
        if not self.keyed:
            point = dict(zip(self.names, point, strict=True))
        smooth = {n for n, d in self.dimensions.items() if d.levels == 0}
        point = {n: float(given[n]) if n in smooth else v for n, v in point.items()}
        return point if self.keyed else np.array([*point.values()])

    def _active(self, name: str, point: Mapping[str, Any]) -> bool:
        return active(name, point, self.dimensions, self._needs)

    def _branches(self) -> tuple[Branch, ...]:
        """Return the columns of conditional dimensions and what they need."""
        starts = dict(zip(self.names, self._starts.tolist(), strict=False))

        def some(parent: str, places: frozenset[float]) -> tuple:
            width = _width(self[parent])
            if width == 1:
                return tuple((starts[parent], place) for place in sorted(places))
            hot = (round(place * (width - 1)) for place in sorted(places))
            return tuple((starts[parent] + level, 1.0) for level in hot)

        branches = []
        for name, needs in self._needs.items():
            width = _width(self[name])
            # A parent of a single value always has it.
            varying = [(p, at) for p, at in needs.items() if _width(self[p])]
            if width and varying:
                home = HOME if width == 1 else 0.0
                conditions = tuple(some(*need) for need in varying)
                stop = starts[name] + width
                branches.append(Branch(starts[name], stop, home, conditions))
        return tuple(branches)

    def _given(self, x: Any) -> dict[str, Any]:
        """Return the values of the dimensions that are active at a user point."""
        if not isinstance(x, Mapping):
            x = dict(zip(self.names, self._in_order(x), strict=True))
        wanted = [n for n in self.names if self._active(n, x)]
        missing = [n for n in wanted if n not in x]
        unknown = [n for n in x if n not in self.dimensions]
        if missing or unknown:
            raise SpaceError(
                f"point has missing keys {missing} and unknown keys {unknown}: "
                f"wanted exactly {wanted}."
            )
        return {n: x[n] for n in wanted}

    def _in_order(self, x: Any) -> list[Any]:
        try:
            values = list(x)
        except TypeError:
            values = [x]
        if len(values) != len(self):
            raise SpaceError(
                f"point {x!r} has {len(values)} values: wanted {len(self)}, "
                f"one for each of {list(self.names)}."
            )
        return values


def contains(
    rows: np.ndarray,  # (n, columns)
    row: np.ndarray,  # (columns,)
) -> bool:
    """Return whether `row` is the same point as one of `rows`."""
    return bool(np.any(np.all(np.abs(rows - row) < SAME_POINT, axis=1)))


def _width(dimension: Dimension) -> int:
    if dimension.levels == 1:
        return 0
    unordered = isinstance(dimension, Categorical) and not dimension.ordered
    return dimension.levels if unordered else 1


def _position(block: np.ndarray) -> float:
    if len(block) > 1:
        return int(np.argmax(block)) / (len(block) - 1)
    return float(block[0]) if len(block) else 0.0


def _spread(dimension: Dimension, u: np.ndarray, level: np.ndarray) -> np.ndarray:
    if dimension.levels == 0:
        return u
    even = level / (dimension.levels - 1)
    if isinstance(dimension, Int) and dimension.log:
        return np.array([dimension.position("", dimension.at(v)) for v in u])
    return even
