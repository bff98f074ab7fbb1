"""Functions of one known Bayesian neural network: samplers can reach its posterior.

A network that is pretrained on it can be held against NUTS and variational inference
on the same prior and likelihood, in loss and in time. Tanh, two hidden layers of 16
units, unit-normal weights, noise of sd 0.1, up to three columns, uniform rows. Outputs
keep their scale, as the prior knows it.

Source: the second experiment of Mueller et al. 2022 (arXiv 2112.10510).
Command: `pfnbo pretrain bnn_fixed`.
"""

from pfnbo.pfn import row_token
from pfnbo.recipe import Recipe
from pfnbo.schedule import Schedule, Stage
from pfnbo.tasks.bnn import Known
from pfnbo.tasks.design import Design
from pfnbo.tasks.noise import Absolute
from pfnbo.tasks.observed import Observed
from pfnbo.tasks.random import often_full
from pfnbo.tasks.task import Sizes

SIZES = Sizes(capacity=64, queries=64, columns=3)
recipe = Recipe(
    prior=Observed(Known(), Design(rows=often_full, plain=True), Absolute(0.1, 0.1)),
    sizes=SIZES,
    model=row_token.Config(),
    schedule=Schedule((Stage(SIZES),), steps=5_000, learning_rate=3e-3, double=False),
    standardize=False,
)
