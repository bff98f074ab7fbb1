"""Learning curves: scores of configurations against the share of the budget spent.

The first column is the budget, the others the configuration; scores lie in [0, 1] and
rise towards an end that depends on the configuration; a few configurations have most
of the steps seen. Queries ask for later steps.

Source: after FT-PFN, Rakotoarison et al. 2024 (arXiv 2404.16795); what differs, see
`pfnbo.tasks.fidelity.Curves`.
Command: `pfnbo pretrain curves`.
"""

from pfnbo.recipe import Recipe
from pfnbo.tasks.fidelity import Curves
from pfnbo.tasks.task import Sizes

recipe = Recipe(prior=Curves(), sizes=Sizes(capacity=128, queries=32, columns=8))
