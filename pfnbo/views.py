"""Monotone views of outputs, standardised; a surrogate takes the one it explains best.

Responses of simulators have poles, powers and exponentials, and no stationary process
explains those before they are bent. Standardising in float64 on the host makes
objectives of scale 1e-12 and 1e12 behave the same.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

# Shifts and scales are quantiles of the data, so views do not depend on the unit.
OBJECTIVE_SHIFTS = (0.5, 0.2, 0.05)
CONSTRAINT_SHIFTS = (0.5, 0.2, 0.05, 0.01)
BILOG_SCALES = (0.8, 0.5, 0.2, 0.05)


@dataclass(frozen=True)
class Views:
    """Monotone increasing views of one output, each of mean 0 and variance 1."""

    z: np.ndarray  # (views, n), NaN where unknown
    zero: np.ndarray  # (views,) images of 0
    jacobian: np.ndarray  # (views,) sums of log dz/dy, to compare evidences


@dataclass(frozen=True)
class _Raw:
    """A view before standardisation."""

    values: np.ndarray  # (n,)
    zero: float
    log_slope: np.ndarray | float  # (n,)


def unit_scale(y: np.ndarray) -> np.ndarray:
    """Return `y / max |y|` so that no later step over- or underflows."""
    largest = np.nanmax(np.abs(y), initial=0.0)
    return y / largest if largest > 0 else y


def standardize(y: np.ndarray) -> tuple[np.ndarray, float, float]:
    """Return `(y - mean) / sd`, mean and sd, ignoring NaN; a constant gets sd 1."""
    known = y[np.isfinite(y)]
    mean = float(known.mean()) if known.size else 0.0
    sd = float(known.std()) if known.size else 1.0
    if not sd > 1e-14 * max(abs(mean), 1e-300):
        sd = 1.0
    return (y - mean) / sd, mean, sd


def objective_views(f: np.ndarray) -> Views:
    """Return the identity and `log(f - min f + s)` for several shifts `s`.

    Args:
        f: values `(n,)`, NaN where unknown.
    """
    return _standardized(_objective_raws(standardize(unit_scale(_known(f)))[0]))


def _objective_raws(z: np.ndarray) -> list[_Raw]:
    return [_Raw(z, 0.0, 0.0), *_log_views(z, OBJECTIVE_SHIFTS)]


def constraint_views(g: np.ndarray) -> Views:
    """Return the identity, bilog views and logarithms from either end.

    `sign(g) log(1 + |g| / s)` (Eriksson & Poloczek 2021, arXiv 2002.08526) resolves
    the boundary; `log(g - min g + s)` and `-log(max g - g + s)` undo powers and poles.

    Args:
        g: values `(n,)`, feasible at or below 0, NaN where unknown.
    """
    g = unit_scale(_known(g))
    falling = [
        _Raw(-raw.values, -raw.zero, raw.log_slope)
        for raw in _log_views(-g, CONSTRAINT_SHIFTS)
    ]
    rising = _log_views(g, CONSTRAINT_SHIFTS)
    return _standardized([_Raw(g, 0.0, 0.0), *_bilog_views(g), *rising, *falling])


def objective_slope(f: np.ndarray, view: int, at: int) -> float:
    """Return the slope of a view at one of the values, in its units per unit of `f`.

    Args:
        f: values `(n,)`, NaN where unknown, not all the same.
        view: its number in `objective_views`.
        at: index of the value.
    """
    z = standardize(unit_scale(_known(f)))[0]
    raw = _objective_raws(z)[view]
    log_slope = np.broadcast_to(raw.log_slope, z.shape)[at]
    unit = np.ptp(z[np.isfinite(z)]) / np.ptp(f[np.isfinite(f)])
    return float(unit * np.exp(log_slope) / standardize(raw.values)[2])


def label_views(labels: np.ndarray) -> Views:
    """Return labels, above 0 where an evaluation fails, as one more constraint."""
    return Views(labels[None], np.zeros(1), np.zeros(1))


def stack(outputs: Iterable[Views]) -> Views:
    """Return the views of several outputs in arrays with a leading axis for them.

    An output with fewer views than another repeats its last one.
    """
    outputs = list(outputs)
    most = max(len(views.zero) for views in outputs)
    index = [np.minimum(np.arange(most), len(views.zero) - 1) for views in outputs]
    return Views(
        *(
            np.stack([getattr(v, name)[i] for v, i in zip(outputs, index, strict=True)])
            for name in ("z", "zero", "jacobian")
        )
    )


def _known(y: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(y), y, np.nan)


def _log_views(y: np.ndarray, quantiles: tuple[float, ...]) -> list[_Raw]:
    """Return `log(y - min y + s)`, `s` at quantiles of the positive differences."""
    low = np.min(y[np.isfinite(y)], initial=np.inf)
    excess = y - low
    views = []
    for shift in _quantiles(excess[excess > 0], quantiles):
        # A zero far below the data is as good as one just below them.
        zero = np.log(max(shift - low, 1e-3 * shift))
        values = np.log(excess + shift)
        views.append(_Raw(values, zero, -values))
    return views


def _bilog_views(g: np.ndarray) -> list[_Raw]:
    size = np.abs(g)
    return [
        _Raw(np.sign(g) * np.log1p(size / s), 0.0, -np.log(s + size))
        for s in _quantiles(size[size > 0], BILOG_SCALES)
    ]


def _quantiles(sizes: np.ndarray, levels: tuple[float, ...]) -> np.ndarray:
    return np.quantile(sizes, levels) if sizes.size else np.ones(len(levels))


def _standardized(raws: list[_Raw]) -> Views:
    z, zero, jacobian = [], [], []
    for raw in raws:
        values, mean, sd = standardize(raw.values)
        z.append(values)
        zero.append((raw.zero - mean) / sd)
        slopes = raw.log_slope - np.log(sd) + 0 * values
        jacobian.append(np.nansum(slopes))
    return Views(np.stack(z), np.array(zero), np.array(jacobian))
