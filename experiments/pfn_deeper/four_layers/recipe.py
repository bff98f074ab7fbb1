"""Corrections of what the network of `engineering` predicts, on the same tasks.

A row-token network sees what that network, a kernel head, says of every row and query,
and learns what no Gaussian process can say. It predicts better and takes longer: made
for regression, where a prediction is the end, not for the search of a maximum.

Command: `pfnbo pretrain anchored --start engineering`.
"""

from dataclasses import replace

from pfnbo.pfn import anchored
from pfnbo.recipe import load_recipe

engineering = load_recipe("engineering")
recipe = replace(
    engineering,
    model=anchored.Config(engineering.model),  # type: ignore[arg-type]
    schedule=replace(
        engineering.schedule, steps=5_000, learning_rate=1e-3, decay="wsd"
    ),
)
