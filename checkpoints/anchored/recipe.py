"""The recipe `anchored` with twice the layers, on tables of up to 128 rows.

Command: `pfnbo pretrain recipe.py --start experiments/pfn_deeper/four_layers`.
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
    model=anchored.Config(engineering.model, row_token.Config(width=48, layers=8)),
    schedule=replace(
        engineering.schedule,
        stages=STAGES,
        steps=4_700,
        learning_rate=1e-3,
        decay="wsd",
    ),
)
