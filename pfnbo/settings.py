"""What an `Optimizer` accepts for its arguments, checked and completed.

Each function raises `SettingError` where a value has no meaning.
"""

import math
import numbers
from collections.abc import Mapping
from typing import Any

import numpy as np

from pfnbo import checks
from pfnbo.errors import SettingError
from pfnbo.known import Known
from pfnbo.model import Surrogate
from pfnbo.space import Space

WARM = 3  # points before the model where an earlier task tells of the function


def points(given: Any, d: int) -> list[Any]:
    """Return the points that any accepted form of a list of points describes."""
    if given is None:
        return []
    if isinstance(given, (str, Mapping)):
        return [[given] if isinstance(given, str) else given]
    try:
        points = list(given)
    except TypeError:
        return [given]
    one = len(points) == d and all(_is_value(p) for p in points)
    return [points] if one else points


def _is_value(given: Any) -> bool:
    return not isinstance(given, (Mapping, list, tuple)) and np.ndim(given) == 0


def known(given: Any, space: Space) -> Known | None:
    """Return known constraints, None where there are none."""
    none = given is None or (isinstance(given, (list, tuple)) and not given)
    return None if none else Known(given, space)


def seed(given: Any) -> int:
    """Return a seed: a fresh one for None, a drawn one for a generator."""
    if given is None:
        return int(np.random.SeedSequence().generate_state(1)[0])
    if isinstance(given, np.random.Generator):
        return int(given.integers(2**31))
    return checks.count("seed", given, least=0)


def earlier(given: Any, space: Space, maximize: bool) -> Any:
    """Return the result of an earlier task in the same space, None where none helps."""
    if given is None:
        return None
    needed = ("x_iters", "func_vals", "constr", "errors", "maximize")
    if not all(hasattr(given, name) for name in needed):
        raise SettingError(
            f"warm_start is a {type(given).__name__}: wanted the Result of optimize()."
        )
    if given.maximize != maximize:
        raise SettingError(
            f"warm_start has maximize={given.maximize}: wanted a task that has "
            f"maximize={maximize}, too."
        )
    for x in given.x_iters:
        space.encode(x)
    return given if np.isfinite(given.func_vals).sum() > 1 else None


def initial(given: int | None, d: int, *, warm: bool = False) -> int:
    """Return the size of the design for `d` dimensions, less after a warm start."""
    if given is None and warm:
        return WARM
    if given is None:
        return min(max(2 * d, 4), 20)
    return checks.count("n_initial", given, least=1)


def noise(given: Any) -> float | None:
    """Return the deviation of the noise, None where it is learned."""
    if isinstance(given, str) and given == "auto":
        return None
    if isinstance(given, numbers.Real) and not isinstance(given, bool):
        if 0 <= float(given) < math.inf:
            return float(given)
    raise SettingError(f"noise is {given!r}: wanted 'auto' or a number >= 0.")


def flip_rate(given: Any) -> float:
    """Return a chance below one."""
    value = checks.real("flip_rate", given, least=0)
    if value >= 1:
        raise SettingError(f"flip_rate is {given!r}: wanted a chance below 1.")
    return value


def surrogate(given: Any) -> Surrogate | None:
    """Return a model, None where the strategy chooses one."""
    if isinstance(given, type) or not (given is None or hasattr(given, "fit")):
        raise SettingError(
            f"surrogate is {given!r}: wanted a model such as pfnbo.GP()."
        )
    return given
