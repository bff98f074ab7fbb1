"""Checks of arguments at the doors: each returns the value or says what to type."""

import math
import numbers
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pfnbo.errors import SettingError


def count(name: str, value: Any, least: int) -> int:
    """Return a whole number that is at least `least`."""
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not whole or value < least:
        raise SettingError(f"{name} is {value!r}: wanted a whole number >= {least}.")
    return int(value)


def real(name: str, value: Any, *, least: float = -math.inf) -> float:
    """Return a real number that is at least `least`; NaN is none."""
    if isinstance(value, numbers.Real) and not isinstance(value, bool):
        if float(value) >= least:
            return float(value)
    limit = "" if least == -math.inf else f" >= {least:g}"
    raise SettingError(f"{name} is {value!r}: wanted a number{limit}.")


def flag(name: str, value: Any) -> bool:
    """Return True or False."""
    if not isinstance(value, (bool, np.bool_)):
        raise SettingError(f"{name} is {value!r}: wanted True or False.")
    return bool(value)


def choice(name: str, value: Any, choices: Sequence[str]) -> str:
    """Return one of the choices."""
    if not isinstance(value, str) or value not in choices:
        raise SettingError(f"{name} is {value!r}: wanted one of {tuple(choices)}.")
    return value


def function(name: str, value: Any, of: str) -> Callable:
    """Return something that can be called."""
    if not callable(value):
        raise SettingError(f"{name} is {value!r}: wanted a function of {of}.")
    return value


def labels(name: str, value: Any, prefix: str) -> tuple[str, ...]:
    """Return the names that a list of names or a number of them stands for."""
    if isinstance(value, str):
        raise SettingError(
            f"{name} is {value!r}: wanted a number or a list of names. "
            f"Did you mean [{value!r}]?"
        )
    if not isinstance(value, Sequence):
        return tuple(f"{prefix}{i}" for i in range(count(name, value, least=0)))
    names = tuple(value)
    if not all(isinstance(n, str) and n for n in names):
        raise SettingError(f"{name} is {value!r}: every name must be a string.")
    if len(set(names)) != len(names):
        raise SettingError(f"{name} is {value!r}: all names must differ.")
    return names
