"""Tasks per second of every family: 64 context rows, 32 queries, 8 columns, float64.

python experiments/tasks/run.py
"""

import argparse
import time

import jax

from pfnbo.tasks import bnn, fidelity, formula, gp, graph, planted, tree, trend
from pfnbo.tasks.constrained import Constrained
from pfnbo.tasks.observed import Observed
from pfnbo.tasks.task import Prior, Sizes, draw
from pfnbo.tasks.warp import bent, shaped

SIZES, BATCH, GROUPS = Sizes(64, 32, 8), 64, 8
FUNCTIONS = {
    "GP in a wrapper": gp.Gp(),
    "GP by features": gp.Features(),
    "GP, bent and shaped": shaped(bent(gp.Gp())),
    "BNN of PFNs4BO": bnn.Bnn(),
    "BNN, small": bnn.Bnn((3, 8), (16, 48), (0.15, 0.5)),
    "BNN, shallow": bnn.Shallow(),
    "signomial": formula.Signomial(),
    "expression": formula.Tree(),
    "linear": trend.linear,
    "bowl": trend.Bowl(),
    "valley": trend.valley,
    "forest": tree.Forest(),
    "planted": planted.Planted(),
    "architecture": graph.Graph(),
    "autoregressive": fidelity.Autoregressive(),
}
PRIORS: dict[str, Prior] = {
    "GP with exact predictive": gp.Exact(),
    **{name: Observed(function) for name, function in FUNCTIONS.items()},
    "constrained": Constrained(),
    "learning curves": fidelity.Curves(),
}


def measure(prior: Prior) -> tuple[float, float]:
    """Return the seconds of the first batch and the tasks per second after it."""
    run = jax.jit(lambda key: draw(key, prior, SIZES, BATCH, GROUPS))
    start = time.perf_counter()
    jax.block_until_ready(run(jax.random.key(0)))
    first = time.perf_counter() - start
    start, batches = time.process_time(), 0
    while time.process_time() - start < 1:
        batches += 1
        jax.block_until_ready(run(jax.random.key(batches)))
    return first, batches * BATCH / (time.process_time() - start)


def main() -> None:
    """Print the table."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    print(f"{'family':26}{'tasks/s/core':>14}{'compile [s]':>14}")
    with jax.enable_x64(True):
        for name, prior in PRIORS.items():
            first, rate = measure(prior)
            print(f"{name:26}{rate:14,.0f}{first:14.1f}", flush=True)


if __name__ == "__main__":
    main()
