"""Corrections of what the network of `engineering` predicts, on the same tasks.

A row-token network sees what that network, a kernel head, says of every row and query,
and learns what no Gaussian process can say. It predicts better and takes longer: made
for regression, where a prediction is the end, not for the search of a maximum.

Command: `pfnbo pretrain anchored --start engineering`. The network that comes with
pfnbo was grown on the way, as `checkpoints/anchored/README.md` tells.
"""

from dataclasses import replace

from pfnbo.pfn import anchored, row_token
from pfnbo.recipe import load_recipe
from pfnbo.schedule import Stage
from pfnbo.tasks.task import Sizes

engineering = load_recipe("engineering")
STAGES = (
    Stage(Sizes(32, 32, 8), groups=8, group=4, share=0.57),
    Stage(Sizes(64, 32, 10), groups=8, group=4, share=0.38),
    Stage(Sizes(128, 32, 10), groups=8, group=2, share=0.05),
)
recipe = replace(
    engineering,
    sizes=STAGES[-1].sizes,
    model=anchored.Config(engineering.model, row_token.Config(width=48, layers=8)),  # type: ignore[arg-type]
    schedule=replace(
        engineering.schedule,
        stages=STAGES,
        steps=9_700,
        learning_rate=1e-3,
        decay="wsd",
    ),
)
