"""Failures that may be flukes: what each one says of the point where it happened."""

import numpy as np

from pfnbo.kernel import LENGTH, MEAN_VARIANCE

SWEEPS = 3
ROUGH = 0.1  # variance of a label that no smooth border explains


def labels(
    rows: np.ndarray,  # (n, columns)
    failed: np.ndarray,  # (n,) bool
    flip_rate: float,
) -> np.ndarray:
    """Return how sure it is that each point fails again, +1, or does not, -1, (n,).

    An evaluation fails where its point is bad, and at a good point by a fluke of
    probability `flip_rate`; what succeeds is good. That a failed point is bad then has
    the odds q / (flip_rate (1 - q)), where q is what a Gaussian process of the other
    labels expects of it. A few sweeps let the labels agree.

    Source: Bayes' rule with the leave-one-out predictions of Rasmussen 2006, eq. 5.12.
    """
    label = np.where(failed, 1.0, -1.0)
    if flip_rate == 0 or not failed.any():
        return label
    from scipy.special import ndtr  # slow to import, and few studies have flukes

    gap = np.sum((rows[:, None] - rows[None]) ** 2, -1)
    scale = LENGTH**2 * max(rows.shape[1], 1)
    k = np.exp(-gap / scale / 2) + MEAN_VARIANCE + ROUGH * np.eye(len(rows))
    precision = np.linalg.inv(k)
    variance = 1 / np.diag(precision)
    for _ in range(SWEEPS):
        mean = label - precision @ label * variance
        bad = ndtr(mean / np.sqrt(variance))
        sure = bad / (bad + flip_rate * (1 - bad))
        label = np.where(failed, 2 * sure - 1, -1.0)
    return label
