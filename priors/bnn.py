"""The Bayesian neural networks of PFNs4BO, number by number.

Tanh networks of 8 to 15 layers and 36 to 150 units whose columns are bent by a
Kumaraswamy distribution function; nearly no noise; up to 18 columns and 49 rows. The
published sampler bends the rows it returns, here the network sees bent rows, so that
the rows of a task stay uniform. Drawing is slow, as the networks are deep.

Source: Mueller et al. 2023 (arXiv 2305.17535), configuration `bnn`.
Command: `pfnbo pretrain bnn`.
"""

from pfnbo.recipe import Recipe
from pfnbo.schedule import Schedule, Stage
from pfnbo.tasks.bnn import Bnn
from pfnbo.tasks.design import Design
from pfnbo.tasks.noise import Absolute
from pfnbo.tasks.observed import Observed
from pfnbo.tasks.random import any_count
from pfnbo.tasks.task import Sizes
from pfnbo.tasks.warp import bent

SIZES = Sizes(capacity=49, queries=11, columns=18)
recipe = Recipe(
    prior=Observed(
        bent(Bnn(), sd=(0.97597, 0.80025)),
        Design(rows=any_count, width=any_count, plain=True),
        Absolute(3.6e-4, 1.34e-3),
    ),
    sizes=SIZES,
    schedule=Schedule((Stage(SIZES),)),
)
