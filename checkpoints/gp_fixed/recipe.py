"""Functions of one known Gaussian process: the exact posterior is known.

A network that is pretrained on it can be held against the truth, so this prior is the
proof that the machinery works, not a surrogate to use. RBF kernel of length-scale 0.3,
signal variance 1, noise variance 1e-2, up to five columns, uniform rows. The network is
the row-token one, which attends by distance but has to learn what a kernel's algebra
would give. Outputs keep their scale, as the prior knows it, and a predictive is one
normal, as the true one is.

Source: the first experiment of Mueller et al. 2022 (arXiv 2112.10510).
Command: `pfnbo pretrain gp_fixed`.
"""

from pfnbo.pfn import row_token
from pfnbo.recipe import Recipe
from pfnbo.schedule import Schedule, Stage
from pfnbo.tasks import gp
from pfnbo.tasks.design import Design
from pfnbo.tasks.random import often_full
from pfnbo.tasks.task import Sizes

SIZES = Sizes(capacity=64, queries=64, columns=5)
recipe = Recipe(
    prior=gp.Exact(
        gp.Gp(
            kinds=("rbf",),
            weights=(1.0,),
            lengths=gp.fixed(0.3),
            dropped=0.0,
            additive=0.0,
        ),
        Design(rows=often_full, plain=True),
        noise=gp.fixed_noise(1e-2),
    ),
    sizes=SIZES,
    model=row_token.Config(components=1),
    schedule=Schedule((Stage(SIZES),), steps=5_000, learning_rate=3e-3, double=False),
    standardize=False,
)
