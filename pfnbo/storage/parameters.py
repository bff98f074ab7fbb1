"""Parameters as Optuna spells them, exact in both directions."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from pfnbo.dimensions import Categorical, Dimension, Float, Int
from pfnbo.errors import SpaceError
from pfnbo.space import Space


def distributions(space: Space) -> dict[str, BaseDistribution]:
    """Return the distribution of each parameter."""
    return {name: _distribution(name, space[name]) for name in space}


def stored(space: Space, x: Any) -> dict[str, Any]:
    """Return the parameters of a point by name, as Optuna takes them."""
    point = x if isinstance(x, Mapping) else dict(zip(space, x, strict=True))
    return {n: _plain(space[n], point[n]) for n in space if n in point}


def restored(space: Space, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the point whose parameters Optuna gives back."""
    return {
        name: _choice(space[name], params[name]) for name in space if name in params
    }


def description(space: Space) -> dict[str, Any]:
    """Return in JSON what two spaces must share to be one and the same."""
    plain = {name: _facts(space[name]) for name in space}
    return json.loads(json.dumps(plain, default=repr))


def _distribution(name: str, dimension: Dimension) -> BaseDistribution:
    if isinstance(dimension, Categorical):
        labels = [_label(choice) for choice in dimension.choices]
        if len(set(map(repr, labels))) < len(labels):
            raise SpaceError(
                f"choices of {name!r} look alike when stored, as {labels}: give "
                "strings or numbers."
            )
        return CategoricalDistribution(labels)
    if isinstance(dimension, Int):
        return IntDistribution(int(dimension.low), int(dimension.high), dimension.log)
    # No step: Optuna counts steps in decimals, and then refuses some legal values.
    return FloatDistribution(float(dimension.low), _high(dimension), dimension.log)


def _high(dimension: Float) -> float:
    """Return the highest legal value."""
    stepped = dimension.step is not None
    return float(dimension.nth(dimension.levels - 1) if stepped else dimension.high)


def _plain(dimension: Dimension, value: Any) -> Any:
    if isinstance(dimension, Categorical):
        return _label(dimension.choices[dimension.choices.index(value)])
    if isinstance(dimension, Int):
        return int(value)
    value = min(max(float(value), float(dimension.low)), _high(dimension))
    return value + 0.0  # SQLite keeps no negative zero


def _choice(dimension: Dimension, value: Any) -> Any:
    if not isinstance(dimension, Categorical):
        return value
    labels = [repr(_label(choice)) for choice in dimension.choices]
    return dimension.choices[labels.index(repr(value))]


def _label(choice: Any) -> Any:
    """Return the choice where JSON and Optuna have such values, else words for it."""
    choice = choice.item() if isinstance(choice, np.generic) else choice
    plain = choice is None or isinstance(choice, (bool, int, float, str))
    return choice if plain else repr(choice)


def _facts(dimension: Dimension) -> dict[str, Any]:
    facts = {f.name: getattr(dimension, f.name) for f in dataclasses.fields(dimension)}
    if isinstance(dimension, Categorical):
        facts["choices"] = [_label(choice) for choice in dimension.choices]
    if isinstance(dimension, (Float, Int)):
        facts["low"], facts["high"] = float(dimension.low), float(dimension.high)
    return {"kind": type(dimension).__name__, **facts}
