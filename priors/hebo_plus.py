"""The HEBO+ prior of PFNs4BO, number by number.

Functions of a Matern-3/2 Gaussian process with Gamma length-scales and variance,
log-normal noise variance of about 0.01, three columns in ten without effect; up to 18
columns and 49 observations, both uniform. One deviation: each function has its own
hyper-parameters, where the published sampler shares four draws within a batch.

Source: Mueller et al. 2023 (arXiv 2305.17535), configuration `heboplus`.
Command: `pfnbo pretrain hebo_plus`.
"""

from pfnbo.recipe import Recipe
from pfnbo.schedule import Schedule, Stage
from pfnbo.tasks import gp
from pfnbo.tasks.design import Design
from pfnbo.tasks.random import any_count
from pfnbo.tasks.task import Sizes

SIZES = Sizes(capacity=49, queries=11, columns=18)
recipe = Recipe(
    prior=gp.Exact(
        gp.Gp(
            kinds=("matern32",),
            weights=(1.0,),
            lengths=gp.hebo,
            variance=gp.hebo_variance,
            dropped=0.3,
            additive=0.0,
        ),
        Design(rows=any_count, width=any_count, plain=True),
        noise=gp.hebo_noise,
    ),
    sizes=SIZES,
    schedule=Schedule((Stage(SIZES),)),
)
