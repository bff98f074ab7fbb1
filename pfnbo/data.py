"""Observations as a padded pytree; padding to a few sizes keeps compiled programs."""

from dataclasses import dataclass, field

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
    # Start and width of the columns that are the choices of one dimension.
    groups: tuple[tuple[int, int], ...] = field(default=(), metadata=dict(static=True))


def bucket(n: int) -> int:
    """Return the padded size for `n` rows: a power of two, at least 32."""
    return max(SMALLEST_BUCKET, 1 << max(n - 1, 0).bit_length())


def pad(
    x: np.ndarray,  # (n, columns)
    y: np.ndarray,  # (outputs, n), NaN where unknown
    size: int,
    groups: tuple[tuple[int, int], ...] = (),
) -> Data:
    """Return padded data; a NaN is an unknown value, not a number."""
    more = size - x.shape[0]
    seen = np.isfinite(y)
    return Data(
        np.pad(x, ((0, more), (0, 0)), constant_values=0.5),  # type: ignore[arg-type]
        np.pad(np.where(seen, y, 0.0), ((0, 0), (0, more))),  # type: ignore[arg-type]
        np.pad(seen, ((0, 0), (0, more))),  # type: ignore[arg-type]
        groups,
    )
