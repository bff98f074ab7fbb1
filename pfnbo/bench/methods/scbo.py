"""BoTorch: Thompson sampling with constraints in a trust region."""

# No part of the development environment.
# pyright: reportMissingImports=false

from dataclasses import dataclass
from typing import Any

import numpy as np

from pfnbo.bench.methods.botorch_models import fitted, outputs
from pfnbo.bench.trace import SLACK, Row, Trace
from pfnbo.problems.problem import Problem

LARGEST, SMALLEST = 1.6, 0.5**7  # side of the region, in units of the cube
SUCCESSES = 3  # in a row that let it grow
MOVED = 20  # columns that differ from the centre, about
FEWEST, MOST, EACH = 2000, 5000, 200  # candidates, the last for each column


@dataclass
class Region:
    """A cube around the best point that grows with success and shrinks without.

    Args:
        patience: failures in a row that halve it.
        side: in units of the cube.
    """

    patience: int
    side: float = 0.8
    wins: int = 0
    losses: int = 0

    def learn(self, better: bool) -> None:
        """Take in whether a point was better than all before; start anew when tiny."""
        self.wins, self.losses = (self.wins + 1, 0) if better else (0, self.losses + 1)
        if self.wins == SUCCESSES:
            self.side, self.wins = min(2 * self.side, LARGEST), 0
        elif self.losses == self.patience:
            self.side, self.losses = self.side / 2, 0
        if self.side < SMALLEST:
            self.side = 0.8


def leader(trace: Trace) -> int:
    """Return which point is the best feasible one, or the least violated."""
    excess = np.maximum(np.array(trace.g), 0).sum(axis=1)
    feasible = np.all(np.array(trace.g) <= SLACK, axis=1)
    if feasible.any():
        return int(np.argmin(np.where(feasible, trace.f, np.inf)))
    return int(np.argmin(excess))


def scbo(problem: Problem, x_init: np.ndarray, n_trials: int, seed: int) -> list[Row]:
    """Choose the best feasible candidate of one joint draw of all outputs.

    Source: Eriksson & Poloczek 2021, AISTATS, arXiv 2002.08526, one point at a time.
    """
    import torch

    torch.manual_seed(seed)
    trace = Trace(problem)
    trace.design(x_init)
    region = Region(patience=max(4, trace.space.columns))
    while len(trace.rows) < n_trials:
        best = leader(trace)
        x, y = torch.tensor(np.array(trace.cube)), torch.tensor(outputs(trace))
        models = [fitted(x, y[:, i : i + 1]) for i in range(y.shape[1])]
        with torch.no_grad():
            row = _rule(models)(_candidates(x[best], region.side), num_samples=1)[0]
        trace.evaluate_cube(row.numpy())
        region.learn(leader(trace) != best)
    return trace.rows


def _rule(models: list[Any]) -> Any:
    """Return what picks the candidate with the least objective, constraints held."""
    import torch
    from botorch.acquisition.objective import ScalarizedPosteriorTransform
    from botorch.generation import sampling
    from botorch.models import ModelListGP

    objective, *limits = models
    told: dict[str, Any] = dict(
        posterior_transform=ScalarizedPosteriorTransform(-torch.ones(1).double()),
        replacement=False,
    )
    if not limits:
        return sampling.MaxPosteriorSampling(objective, **told)
    return sampling.ConstrainedMaxPosteriorSampling(
        objective, ModelListGP(*limits), **told
    )


def _candidates(centre: Any, side: float) -> Any:
    """Return Sobol points of the region `(n, columns)`, each moved in some columns."""
    import torch

    columns = len(centre)
    low, high = ((centre + s * side / 2).clamp(0, 1) for s in (-1, 1))
    seed = int(torch.randint(2**31, ()))
    sobol = torch.quasirandom.SobolEngine(columns, scramble=True, seed=seed)
    points = sobol.draw(min(max(FEWEST, EACH * columns), MOST), dtype=torch.double)
    moved = torch.rand(points.shape) <= MOVED / columns
    moved[torch.arange(len(points)), torch.randint(columns, (len(points),))] = True
    return torch.where(moved, low + (high - low) * points, centre)
