"""What an engineer's objective or constraint may look like: the flagship mixture.

It believes in smooth functions of few important columns, warped or not; in bowls and
valleys with a rough part on top; in sums and ratios of powers, as in stresses and
costs; in jumps and plateaus; in integer and categorical columns. Half of the functions
are exact, as simulations are. Rows lie as in a real run: a first design, then clusters
around its best point of radius 0.5 down to 0.001; half of the queries lie there too.

Sources: PFNs4BO (arXiv 2305.17535), ACE (arXiv 2410.15320), dimension-scaled
length-scales (arXiv 2402.02229), and the benchmark problems' shapes (not their data).
Command: `pfnbo pretrain engineering`.
"""

from pfnbo.recipe import Recipe
from pfnbo.tasks import bnn, formula, gp, planted, tree, trend
from pfnbo.tasks.columns import Columns
from pfnbo.tasks.design import Design
from pfnbo.tasks.mix import mix, plus
from pfnbo.tasks.noise import Noise
from pfnbo.tasks.observed import Observed
from pfnbo.tasks.task import Function, Sizes
from pfnbo.tasks.warp import bent, shaped, signed, standard

DESIGN = Design(columns=Columns(integer=0.15, one_hot=0.05))
NOISE = Noise(exact=0.5)


def observed(function: Function) -> Observed:
    """Observations of a function or of minus it."""
    return Observed(signed(function), DESIGN, NOISE)


smooth = gp.Gp()
published = gp.Gp(lengths=gp.hebo_scaled, variance=gp.hebo_variance, dropped=0.3)
network = bnn.Bnn(layers=(3, 8), width=(16, 48), scale=(0.15, 0.5))
bowl = standard(trend.Bowl())
recipe = Recipe(
    prior=mix(
        {
            "gp": (0.22, gp.Exact(smooth, DESIGN, gp.relative_noise(NOISE))),
            "hebo": (0.08, gp.Exact(published, DESIGN, gp.relative_noise(NOISE))),
            "bent": (0.08, observed(bent(smooth, some=0.5))),
            "shaped": (0.10, observed(shaped(smooth))),
            "bowl": (0.12, observed(plus(bowl, gp.Gp()))),
            "valley": (0.04, observed(plus(standard(trend.valley), gp.Gp()))),
            "linear": (0.02, observed(plus(standard(trend.linear), gp.Gp()))),
            "signomial": (0.10, observed(formula.Signomial())),
            "expression": (0.05, observed(formula.Tree())),
            "network": (0.05, observed(standard(network))),
            "shallow": (0.04, observed(bnn.Shallow())),
            "forest": (0.05, observed(plus(tree.Forest(), gp.Gp()))),
            "planted": (0.05, observed(planted.Planted())),
        }
    ),
    sizes=Sizes(capacity=64, queries=32, columns=10),
)
