"""Observations as a padded pytree, and the monotone output transforms before it.

Padding to a few sizes keeps compiled programs; standardising in float64 on the host
makes objectives of scale 1e-12 and 1e12 behave the same.
"""

from dataclasses import dataclass

import jax
import numpy as np

SMALLEST_BUCKET = 32


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Data:
    """Observations of several outputs at shared points, padded to a bucket."""

    x: jax.Array  # (n, columns) rows of the unit cube
    y: jax.Array  # (outputs, n), standardised, 0 where unseen
    seen: jax.Array  # (outputs, n) bool


def bucket(n: int) -> int:
    """Return the padded size for `n` rows: a power of two, at least 32."""
    return max(SMALLEST_BUCKET, 1 << max(n - 1, 0).bit_length())


def pad(
    x: np.ndarray,  # (n, columns)
    y: np.ndarray,  # (outputs, n), NaN where unknown
    size: int,
) -> Data:
    """Return padded data; a NaN is an unknown value, not a number."""
    more = size - x.shape[0]
    seen = np.isfinite(y)
    return Data(
        np.pad(x, ((0, more), (0, 0)), constant_values=0.5),  # type: ignore[arg-type]
        np.pad(np.where(seen, y, 0.0), ((0, 0), (0, more))),  # type: ignore[arg-type]
        np.pad(seen, ((0, 0), (0, more))),  # type: ignore[arg-type]
    )


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


def _log_views(
    y: np.ndarray,  # (n,), NaN where unknown
    quantiles: tuple[float, ...],
) -> list[tuple[np.ndarray, float, np.ndarray]]:
    """Return `log(y - min y + s)` for shifts `s` at quantiles of the excess.

    Each entry holds the values, the image of 0 and the pointwise log-slopes.
    """
    low = np.nanmin(y)
    excess = y - low
    positive = excess[excess > 0]
    views = []
    for q in quantiles:
        shift = np.quantile(positive, q) if positive.size else 1.0
        # Far below the smallest value the image of 0 is that of the edge.
        zero = np.log(max(shift - low, 1e-3 * shift))
        views.append((np.log(excess + shift), zero, -np.log(excess + shift)))
    return views


def _bilog_views(g: np.ndarray, quantiles: tuple[float, ...]):
    """Return `sign(g) log(1 + |g| / s)` for scales `s` at quantiles of `|g|`."""
    size = np.abs(g[np.isfinite(g) & (g != 0)])
    views = []
    for q in quantiles:
        s = np.quantile(size, q) if size.size else 1.0
        views.append(
            (np.sign(g) * np.log1p(np.abs(g) / s), 0.0, -np.log(s + np.abs(g)))
        )
    return views


def _stack(raw):
    views, zeros, jacobians = [], [], []
    for values, zero, slope in raw:
        z, mean, sd = standardize(values)
        views.append(z)
        zeros.append((zero - mean) / sd)
        jacobians.append(np.nansum(slope - np.log(sd)))
    return np.stack(views), np.array(zeros), np.array(jacobians)


def objective_views(f: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    f, _, _ = standardize(unit_scale(f))
    if not np.isfinite(f).any():
        f = np.zeros_like(f)
    raw = [(f, 0.0, 0 * f), *_log_views(f, OBJ)]
    views, _, jacobians = _stack(raw)
    return views, jacobians


def constraint_views(g: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    g = unit_scale(np.where(np.isfinite(g), g, np.nan))
    if not np.isfinite(g).any():
        g = np.zeros_like(g)
    up = _log_views(g, UP)
    down = [(-z, -zero, slope) for z, zero, slope in _log_views(-g, UP)]
    return _stack([(g, 0.0, 0 * g), *_bilog_views(g, BI), *up, *down])

import os
OBJ=eval(os.environ.get("OBJ","(.5,.2,.05)"))
UP=eval(os.environ.get("UP","(.5,.2,.05,.01)"))
BI=eval(os.environ.get("BI","(.8,.5,.2,.05)"))
