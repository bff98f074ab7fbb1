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


def objective_views(f: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return three monotone views of an objective and their log-Jacobians.

    Views: the identity and `log(f - min f + shift)` with a shift of the median excess
    and of 3 % of it. Which one a Gaussian process explains best is a matter of
    evidence, and the log-Jacobian makes the evidences comparable.

    Args:
        f: values to minimise `(n,)`, NaN where unknown.

    Returns:
        Standardised views `(3, n)`, still to be minimised, and the sums of
        `log dz/df` `(3,)`.
    """
    f, _, _ = standardize(unit_scale(f))
    excess = f - np.nanmin(f) if np.isfinite(f).any() else f
    typical = np.nanmedian(excess) if np.isfinite(f).any() else 1.0
    typical = typical if typical > 1e-12 else 1.0
    views, jacobians = [], []
    for shift in (None, typical, 0.03 * typical):
        raw = excess if shift is None else np.log(excess + shift)
        slope = 0.0 if shift is None else -np.log(excess + shift)
        z, _, sd = standardize(raw)
        views.append(z)
        jacobians.append(np.nansum(slope - np.log(sd) + 0 * excess))
    return np.stack(views), np.array(jacobians)


def constraint_views(g: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return two robust views of one constraint, their thresholds and log-Jacobians.

    Views: the identity, and `sign(g) log(1 + |g| / s)` with `s` the 80 % quantile of
    `|g|`, which keeps the feasible side exactly and tames poles (bilog, Eriksson &
    Poloczek 2021, arXiv 2002.08526).

    Args:
        g: values `(n,)`, feasible at or below 0, NaN where unknown.

    Returns:
        Standardised views `(2, n)`, the standardised images of 0 `(2,)` and the sums
        of `log dz/dg` `(2,)`.
    """
    g = unit_scale(np.where(np.isfinite(g), g, np.nan))
    size = np.abs(g[np.isfinite(g)])
    scale = float(np.quantile(size, 0.8)) if size.size else 1.0
    scale = scale if scale > 1e-12 else 1.0
    bilog = np.sign(g) * np.log1p(np.abs(g) / scale)
    views, thresholds, jacobians = [], [], []
    for raw, slope in ((g, 0 * g), (bilog, -np.log(scale + np.abs(g)))):
        z, mean, sd = standardize(raw)
        views.append(z)
        thresholds.append(-mean / sd)
        jacobians.append(np.nansum(slope - np.log(sd)))
    return np.stack(views), np.array(thresholds), np.array(jacobians)
