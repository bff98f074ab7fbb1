"""Prints what the last four of its eight layers are worth to the network `anchored`.

    python experiments/pfn_deeper/run.py --tasks 200

Mean losses of both on the same new tasks of the flagship prior, as `pfnbo eval` has
them, and the mean difference with its standard error. Some minutes of compilation, and
some of the tasks.
"""

import argparse
from pathlib import Path

import numpy as np

from pfnbo import evaluate
from pfnbo.compilation import enable_compilation_cache
from pfnbo.recipe import load_recipe
from pfnbo.surrogates.pfn import PFN

BEFORE = Path(__file__).with_name("four_layers")
SEED = 10_000


def differences(found: evaluate.Scores) -> list[str]:
    """Return lines of a table: rows, tasks, mean difference and its standard error."""
    lines = ["| rows | tasks | eight less four, nats |", "|---|---|---|"]
    for rows in np.unique(found.rows):
        own = found.loss[found.rows == rows]
        gain = own[:, 0] - own[:, 1]
        error = np.std(gain) / np.sqrt(len(gain))
        lines.append(f"| {rows} | {len(gain)} | {gain.mean():.3f} +- {error:.3f} |")
    return lines


def main() -> None:
    """Print the table of the losses and that of the differences."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=200, help="of each size")
    args = parser.parse_args()
    enable_compilation_cache()
    models = {"eight": PFN("anchored"), "four": PFN(BEFORE)}
    found = evaluate.scores(load_recipe("engineering"), models, args.tasks, SEED)
    for line in evaluate.table(found, list(models)):
        print("| " + " | ".join(line) + " |")
    print("\n".join(["", *differences(found)]))


if __name__ == "__main__":
    main()
