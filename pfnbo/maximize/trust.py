"""Trust regions whose size follows from the history alone, so that nothing is stored.

Source: Eriksson et al. 2019 (TuRBO, arXiv 1910.01739), Eriksson & Poloczek 2021
(SCBO, arXiv 2002.08526).
"""

import numpy as np

FIRST, SMALLEST, LARGEST = 0.8, 2.0**-7, 1.6
SUCCESSES = 3


def length(
    improved: np.ndarray,  # (n,) bool, in order of evaluation
    parameters: int,
) -> float:
    """Return the edge of the region after these evaluations, in units of the cube.

    Three improvements in a row double it, `parameters` evaluations without one halve
    it, and below 2^-7 it starts again at 0.8.
    """
    edge, good, bad = FIRST, 0, 0
    for better in improved:
        good, bad = (good + 1, 0) if better else (0, bad + 1)
        if good == SUCCESSES:
            edge, good = min(2 * edge, LARGEST), 0
        elif bad == max(parameters, 4):
            edge, bad = edge / 2, 0
        if edge < SMALLEST:
            edge = FIRST
    return edge


def box(
    centre: np.ndarray,  # (columns,)
    length_scales: np.ndarray,  # (columns,)
    edge: float,
    ordered: np.ndarray,  # (columns,) bool, not of a group of choices
) -> tuple[np.ndarray, np.ndarray]:
    """Return the corners of the region, longer where the function varies slowly.

    Choices have no near and far, so that all of them stay open.
    """
    low, high = np.zeros(len(centre)), np.ones(len(centre))
    if ordered.any():
        lengths = length_scales[ordered]
        weights = lengths / np.exp(np.mean(np.log(lengths)))
        half = edge / 2 * np.clip(weights, 0.1, 10)
        low[ordered] = np.clip(centre[ordered] - half, 0, 1)
        high[ordered] = np.clip(centre[ordered] + half, 0, 1)
    return low, high
