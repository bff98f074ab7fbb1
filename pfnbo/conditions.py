"""Conditional dimensions: parameters that exist only where others have certain values.

`Float(0.1, 10, when={"kernel": "rbf"})` is active only where `kernel` is "rbf".
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pfnbo.dimensions import Categorical, Dimension
from pfnbo.errors import SpaceError

SAME_POINT = 1e-9  # cube rows nearer than this in every column are one point
SEVERAL = (list, tuple, set, frozenset, range)

Places = frozenset[float]  # positions in [0, 1] on the scale of a parent
Needs = dict[str, dict[str, Places]]  # what a dimension needs of its ancestors


@dataclass(frozen=True)
class Branch:
    """Cube columns that count only where others have certain values."""

    start: int
    stop: int
    home: float  # of the columns where they do not count
    needs: tuple[tuple[tuple[int, float], ...], ...]  # some (column, value) of each


def resolve(dimensions: Mapping[str, Dimension]) -> Needs:
    """Return what must hold of its ancestors for each dimension to be active.

    Args:
        dimensions: name -> dimension; its `when` names its parents.

    Raises:
        SpaceError: when a parent is unknown, continuous or an own descendant, when it
            can't have the value, or when a dimension could never be active.
    """
    needs: Needs = {}

    def visit(name: str, path: tuple[str, ...]) -> dict[str, Places]:
        if name in path:
            circle = " -> ".join((*path[path.index(name) :], name))
            raise SpaceError(f"conditions go in a circle, {circle}: drop one `when`.")
        if name not in needs:
            own: dict[str, Places] = {}
            for parent, wanted in _when(name, dimensions).items():
                _join(name, own, visit(parent, (*path, name)))
                _join(name, own, {parent: _places(name, parent, dimensions, wanted)})
            needs[name] = own
        return needs[name]

    for name in dimensions:
        visit(name, ())
    return needs


def active(
    name: str,
    point: Mapping[str, Any],
    dimensions: Mapping[str, Dimension],
    needs: Needs,
) -> bool:
    """Return whether a dimension is active at a user point.

    Raises:
        SpaceError: when a value that decides is not a legal one.
    """
    return all(
        parent in point
        and _meets(dimensions[parent].position(parent, point[parent]), places)
        for parent, places in needs[name].items()
    )


def every_point(
    dimensions: Mapping[str, Dimension], needs: Needs
) -> Iterator[dict[str, Any]]:
    """Yield all points of a finite space, inactive dimensions left out."""
    order = _order(needs)

    def grown(i: int, point: dict[str, Any]) -> Iterator[dict[str, Any]]:
        if i == len(order):
            yield point
            return
        dimension = dimensions[order[i]]
        if not active(order[i], point, dimensions, needs):
            yield from grown(i + 1, point)
            return
        for level in range(dimension.levels):
            yield from grown(i + 1, {**point, order[i]: dimension.nth(level)})

    return grown(0, {})


def cardinality(dimensions: Mapping[str, Dimension], needs: Needs) -> float:
    """Return the number of different points, infinite where one is continuous.

    It goes through the dimensions once and counts the points of each state, which is
    the place of every parent that a later dimension asks for.
    """
    order = _order(needs)
    last = {p: i for i, name in enumerate(order) for p in needs[name]}
    asked = {
        p: frozenset().union(*(n.get(p, ()) for n in needs.values())) for p in last
    }
    states: dict[frozenset, float] = {frozenset(): 1.0}
    for i, name in enumerate(order):
        after: dict[frozenset, float] = defaultdict(float)
        levels = dimensions[name].levels or float("inf")
        for state, count in states.items():
            kept = frozenset(pair for pair in state if last[pair[0]] > i)
            held = dict(state)
            if not all(held.get(p) in places for p, places in needs[name].items()):
                after[kept] += count
                continue
            apart = asked.get(name, frozenset())
            for place in apart:
                after[kept | {(name, place)}] += count
            if levels > len(apart):
                after[kept] += count * (levels - len(apart))
        states = after
    return sum(states.values())


def _when(name: str, dimensions: Mapping[str, Dimension]) -> Mapping[str, Any]:
    """Return the parents of a dimension and the values wanted of them."""
    when = dimensions[name].when
    if when is None:
        return {}
    if not isinstance(when, Mapping) or not when:
        raise SpaceError(
            f"when of {name!r} is {when!r}: wanted {{parent: value}} or "
            "{parent: [value, value]}."
        )
    for parent in when:
        if parent not in dimensions:
            raise SpaceError(
                f"when of {name!r} names {parent!r}: wanted one of "
                f"{[n for n in dimensions if n != name]}."
            )
        if dimensions[parent].levels == 0:
            raise SpaceError(
                f"when of {name!r} names {parent!r}, which is continuous: wanted a "
                "parent of countable values, Int, Categorical or Float with a step."
            )
    return when


def _places(
    name: str, parent: str, dimensions: Mapping[str, Dimension], wanted: Any
) -> Places:
    dimension = dimensions[parent]
    one = isinstance(dimension, Categorical) and wanted in dimension.choices
    values = wanted if isinstance(wanted, SEVERAL) and not one else [wanted]
    try:
        return frozenset(dimension.position(parent, value) for value in values)
    except SpaceError as error:
        raise SpaceError(f"when of {name!r} can't hold: {error}") from None


def _join(name: str, own: dict[str, Places], more: Mapping[str, Places]) -> None:
    """Add needs to those of a dimension; both must hold."""
    for parent, places in more.items():
        own[parent] = own.get(parent, places) & places
        if not own[parent]:
            raise SpaceError(
                f"{name!r} could never be active: no value of {parent!r} suits its "
                "`when` and those of its parents."
            )


def _meets(position: float, places: Places) -> bool:
    return any(abs(position - place) < SAME_POINT for place in places)


def _order(needs: Needs) -> list[str]:
    """Return the names, each after its ancestors and as soon as they have come."""
    placed: dict[str, None] = {}

    def place(name: str) -> None:
        if name in placed or not needs[name].keys() <= placed.keys():
            return
        placed[name] = None
        for child in needs:
            if name in needs[child]:
                place(child)

    for name in needs:
        place(name)
    return list(placed)
