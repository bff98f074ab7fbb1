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
from pfnbo.tasks.mix import either, mix, plus
from pfnbo.tasks.noise import Noise
from pfnbo.tasks.observed import Observed
from pfnbo.tasks.task import Sizes
from pfnbo.tasks.warp import bent, shaped, standard

DESIGN = Design(columns=Columns(integer=0.15, one_hot=0.05))
NOISE = Noise(exact=0.5)
smooth = gp.Gp()
published = gp.Gp(lengths=gp.hebo_scaled, variance=gp.hebo_variance, dropped=0.3)
rough = gp.Features()  # cheap, for sums
functions = either(
    {
        "bent": (0.12, bent(smooth, some=0.5)),
        "shaped": (0.15, shaped(smooth)),
        "bowl": (0.17, plus(standard(trend.Bowl()), rough)),
        "valley": (0.06, plus(standard(trend.valley), rough)),
        "linear": (0.03, plus(standard(trend.linear), rough)),
        "signomial": (0.15, formula.Signomial()),
        "expression": (0.07, formula.Tree()),
        "network": (0.06, bnn.Bnn(layers=(3, 8), width=(16, 48), scale=(0.15, 0.5))),
        "shallow": (0.06, bnn.Shallow()),
        "forest": (0.06, plus(tree.Forest(), rough)),
        "planted": (0.07, planted.Planted()),
    }
)
recipe = Recipe(
    prior=mix(
        (0.22, gp.Exact(smooth, DESIGN, gp.relative_noise(NOISE), ("gp",))),
        (0.08, gp.Exact(published, DESIGN, gp.relative_noise(NOISE), ("hebo",))),
        (0.70, Observed(functions, DESIGN, NOISE, signed=True)),
    ),
    sizes=Sizes(capacity=64, queries=32, columns=10),
)
