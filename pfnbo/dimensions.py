"""The kinds of dimension: limits, scale, and the place of a value on it in [0, 1]."""

import math
import numbers
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pfnbo.errors import SpaceError


@dataclass(frozen=True)
class Float:
    """A real number in `[low, high]`, on a linear, log or stepped scale.

    Args:
        low: smallest value.
        high: largest value; equal to `low` fixes the parameter.
        log: search uniformly in the logarithm; needs `low > 0`.
        step: distance of the legal values, counted from `low`.
        when: values of other dimensions, by name, where this one is active: {"kernel":
            "rbf"}, or a list for one of several; all must hold. None is always.
    """

    low: float
    high: float
    log: bool = field(default=False, kw_only=True)
    step: float | None = field(default=None, kw_only=True)
    when: Mapping[str, Any] | None = field(default=None, kw_only=True, hash=False)

    def check(self, name: str) -> None:
        """Raise `SpaceError` when the limits have no meaning."""
        _check_limits(name, self.low, self.high, self.log)
        if self.step is not None and not 0 < self.step < math.inf:
            raise SpaceError(f"step of {name!r} is {self.step}: it must be positive.")
        if self.step is not None and self.log:
            raise SpaceError(f"{name!r} has both log=True and a step: drop one.")

    @property
    def levels(self) -> int:
        """Number of legal values, 0 for a continuum."""
        if self.low == self.high:
            return 1
        if self.step is None:
            return 0
        return int(math.floor((self.high - self.low) / self.step + 1e-9)) + 1

    def at(self, u: float) -> float:
        """Return the value at position `u` in [0, 1] of the scale."""
        if self.levels == 1:
            return float(self.low)
        if self.step is not None:
            return self.nth(round(u * (self.levels - 1)))
        value = _from_unit(u, self.low, self.high, self.log)
        return float(min(max(value, self.low), self.high))

    def nth(self, level: int) -> float:
        """Return the legal value of that number, counted from `low`."""
        # Rounding must not carry the last one over the end.
        return float(min(self.low + level * (self.step or 0.0), self.high))

    def position(self, name: str, value: Any) -> float:
        """Return the position in [0, 1] of a legal value."""
        value = _number(name, value)
        slack = 1e-9 * (self.high - self.low)
        _check_inside(name, value, self.low, self.high, slack)
        if self.step is None:
            return _to_unit(value, self.low, self.high, self.log)
        level = (value - self.low) / self.step
        if abs(level - round(level)) > 1e-6:
            raise SpaceError(f"{name!r} is {value}: not on its steps of {self.step}.")
        return round(level) / max(self.levels - 1, 1)


@dataclass(frozen=True)
class Int:
    """A whole number in `[low, high]`, both included.

    Args:
        low: smallest value.
        high: largest value.
        log: search uniformly in the logarithm; needs `low > 0`.
        when: where it is active, as of `Float`.
    """

    low: int
    high: int
    log: bool = field(default=False, kw_only=True)
    when: Mapping[str, Any] | None = field(default=None, kw_only=True, hash=False)

    def check(self, name: str) -> None:
        """Raise `SpaceError` when the limits have no meaning."""
        _check_limits(name, self.low, self.high, self.log)
        for end in (self.low, self.high):
            if end != round(end):
                raise SpaceError(
                    f"Int {name!r} has limit {end}: use whole numbers, or Float."
                )

    @property
    def levels(self) -> int:
        """Number of legal values."""
        return int(self.high - self.low) + 1

    def at(self, u: float) -> int:
        """Return the value at position `u` in [0, 1] of the scale."""
        value = round(_from_unit(u, self.low, self.high, self.log))
        return int(min(max(value, self.low), self.high))

    def nth(self, level: int) -> int:
        """Return the legal value of that number, counted from `low`."""
        return int(self.low) + level

    def position(self, name: str, value: Any) -> float:
        """Return the position in [0, 1] of a legal value."""
        value = _number(name, value)
        _check_inside(name, value, self.low, self.high, 0.0)
        if value != round(value):
            raise SpaceError(f"{name!r} is {value}: a whole number is wanted.")
        return _to_unit(value, self.low, self.high, self.log)


@dataclass(frozen=True)
class Categorical:
    """One of several choices.

    Args:
        choices: the values, all different.
        ordered: neighbours in `choices` are alike (a list of plate thicknesses);
            otherwise all pairs are equally far apart.
        when: where it is active, as of `Float`.
    """

    choices: tuple[Any, ...]
    ordered: bool = field(default=False, kw_only=True)
    when: Mapping[str, Any] | None = field(default=None, kw_only=True, hash=False)

    def __post_init__(self) -> None:
        """Accept any sequence of choices."""
        object.__setattr__(self, "choices", tuple(self.choices))

    def check(self, name: str) -> None:
        """Raise `SpaceError` when there are no choices or two are equal."""
        if not self.choices:
            raise SpaceError(f"Categorical {name!r} has no choices: give at least one.")
        for i, choice in enumerate(self.choices):
            if choice in self.choices[:i]:
                raise SpaceError(f"Categorical {name!r} lists {choice!r} twice.")

    @property
    def levels(self) -> int:
        """Number of choices."""
        return len(self.choices)

    def at(self, u: float) -> Any:
        """Return the choice at position `u` in [0, 1]."""
        return self.choices[round(u * (self.levels - 1))]

    def nth(self, level: int) -> Any:
        """Return the choice of that number."""
        return self.choices[level]

    def position(self, name: str, value: Any) -> float:
        """Return the position in [0, 1] of a choice."""
        if value not in self.choices:
            raise SpaceError(f"{name!r} is {value!r}: wanted one of {self.choices}.")
        return self.choices.index(value) / max(self.levels - 1, 1)


Dimension = Float | Int | Categorical


def as_dimension(name: str, given: Any) -> Dimension:
    """Return the dimension that `given` is, or the float of a `(low, high)` pair."""
    if isinstance(given, Dimension):
        return given
    try:
        low, high = given
    except (TypeError, ValueError):
        raise SpaceError(
            f"bounds for {name!r} are {given!r}: wanted a (low, high) pair, "
            "Float, Int or Categorical."
        ) from None
    return Float(_number(name, low), _number(name, high))


def _number(name: str, value: Any) -> float:
    value = value.item() if isinstance(value, np.ndarray) and value.size == 1 else value
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise SpaceError(f"{name!r} has the value {value!r}: wanted a real number.")
    return float(value)


def _check_limits(name: str, low: float, high: float, log: bool) -> None:
    low, high = _number(name, low), _number(name, high)
    if not (math.isfinite(low) and math.isfinite(high)):
        raise SpaceError(f"bounds for {name!r} are ({low}, {high}): give finite ones.")
    if low > high:
        raise SpaceError(
            f"bounds for {name!r} are ({low}, {high}): low must be below high. "
            f"Did you mean ({high}, {low})?"
        )
    if not math.isfinite(high - low):
        raise SpaceError(f"bounds for {name!r} are ({low}, {high}): too far apart.")
    if log and low <= 0:
        raise SpaceError(f"{name!r} has log=True but low is {low}: give low > 0.")
    if log and not math.isfinite(high / low):
        raise SpaceError(f"bounds for {name!r} are ({low}, {high}): too far apart.")


def _check_inside(
    name: str, value: float, low: float, high: float, slack: float
) -> None:
    if not low - slack <= value <= high + slack:
        raise SpaceError(f"{name!r} is {value}: outside its bounds ({low}, {high}).")


def _to_unit(value: float, low: float, high: float, log: bool) -> float:
    if low == high:
        return 0.0
    if log:
        return math.log(value / low) / math.log(high / low)
    return min(max((value - low) / (high - low), 0.0), 1.0)


def _from_unit(u: float, low: float, high: float, log: bool) -> float:
    if log:
        return low * (high / low) ** u
    return low + u * (high - low)
