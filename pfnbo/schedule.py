"""How a network is trained: table sizes, batches, optimiser and learning rate."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import optax

from pfnbo.errors import PretrainError
from pfnbo.exadam import exadam
from pfnbo.tasks.task import Sizes


@dataclass(frozen=True)
class Stage:
    """Steps on tables of one size; a size is one compilation.

    Args:
        sizes: rows and columns of the tables.
        groups: tasks of one family that are drawn and differentiated together; the
            gradients of the groups of a step are accumulated.
        group: number of tasks in a group.
        share: relative number of steps.
        begin: fraction of the training after which the size is used.
    """

    sizes: Sizes
    groups: int = 8
    group: int = 8
    share: float = 1.0
    begin: float = 0.0


def stages(sizes: Sizes) -> tuple[Stage, ...]:
    """Return tables of at most these sizes, and more of them of half as many rows."""
    rows, columns = -(-sizes.capacity // 2), -(-4 * sizes.columns // 5)
    small = Sizes(rows, sizes.queries, columns)
    return Stage(small, group=4, share=0.6), Stage(sizes, group=4, share=0.4)


OPTIMIZERS: dict[str, Callable[..., optax.GradientTransformation]] = {
    "adamw": optax.adamw,
    "muon": optax.contrib.muon,
    "exadam": exadam,
}
CHOICES = {
    "optimizer": tuple(OPTIMIZERS),
    "decay": ("cosine", "wsd"),
    "compute": ("float32", "bfloat16"),
    "targets": ("exact", "drawn"),
}


@dataclass(frozen=True)
class Schedule:
    """The whole training.

    Args:
        stages: table sizes, drawn at random by their shares; a recipe takes two up to
            its own sizes where there are none.
        steps: number of steps; a time budget replaces it.
        optimizer: "adamw", "muon" or "exadam".
        learning_rate: at its peak.
        warmup: fraction of the steps in which it rises linearly.
        decay: "cosine" falls to zero over the rest, "wsd" over the last fifth.
        weight_decay: decoupled, times the learning rate.
        clip: largest global norm of the gradient.
        average: largest decay of the exponential moving average of the parameters.
        double: whether tables are drawn and their algebra runs in float64.
        compute: "float32", or "bfloat16" for the matrix products of the network.
        targets: "exact" averages the loss over the exact predictive of a query where
            the prior knows it, "drawn" scores the value drawn: the same optimum, with
            noisier gradients.

    Raises:
        PretrainError: when a name is none of these.
    """

    stages: tuple[Stage, ...] = ()
    steps: int = 10_000
    optimizer: str = "adamw"
    learning_rate: float = 2e-3
    warmup: float = 0.02
    decay: str = "cosine"
    weight_decay: float = 1e-3
    clip: float = 1.0
    average: float = 0.998
    double: bool = True
    compute: str = "float32"
    targets: str = "exact"

    def __post_init__(self):
        """Refuse names that mean nothing before anything is compiled."""
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise PretrainError(
                    f"{name} is {getattr(self, name)!r}: wanted one of {choices}."
                )

    @property
    def sizes(self) -> Sizes:
        """The largest table of any stage, and so what a network has seen."""
        each = [
            (s.sizes.capacity, s.sizes.queries, s.sizes.columns) for s in self.stages
        ]
        return Sizes(*map(max, zip(*each, strict=True)))

    def ready(self, progress: float) -> tuple[list[Stage], np.ndarray]:
        """Return the table sizes in use at a fraction of the training, and shares."""
        ready = [stage for stage in self.stages if stage.begin <= progress]
        shares = np.array([stage.share for stage in ready])
        return ready, shares / shares.sum()

    def keep(self, step: int) -> float:
        """Return the share of the average that a step leaves; the first ones, little.

        So the parameters before any step have no part in a short training.
        """
        return min(self.average, (1 + step) / (10 + step))

    def rate(self, progress: float) -> float:
        """Return the learning rate at a fraction of the training."""
        rise = min(1.0, progress / self.warmup) if self.warmup else 1.0
        if self.decay == "wsd":
            return self.learning_rate * rise * min(1.0, 5 * (1 - progress))
        past = max(0.0, progress - self.warmup) / (1 - self.warmup)
        return self.learning_rate * rise * 0.5 * (1 + math.cos(math.pi * past))
