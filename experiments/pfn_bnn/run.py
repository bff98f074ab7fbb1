"""Prints what a pretrained network, NUTS and variational inference make of one prior.

    python experiments/pfn_bnn/run.py

The prior is `bnn_fixed`, one known Bayesian neural network, and all three are asked
the same: the density of 64 new observations after as many rows as the table says, in
three columns. "loss" is its negative logarithm, mean over tasks and queries, with the
standard error over tasks of the difference to the longest chain; "ms" the median time
for one task, compiled before. NUTS (Hoffman and Gelman 2014, arXiv 1111.4246) is
NumPyro's and adapts for as many steps as it then draws; variational inference (normal,
independent weights) takes as many steps of Adam, at a rate of 0.01, and 256 draws.
Takes about half an hour.
"""

import argparse
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from jax.scipy.special import logsumexp
from jax.scipy.stats import norm
from numpyro.infer import MCMC, NUTS, SVI, Trace_ELBO
from numpyro.infer.autoguide import AutoNormal

from pfnbo import checkpoint
from pfnbo.pfn.loss import predictive
from pfnbo.pfn.models import configured
from pfnbo.pfn.network import put_together, structure
from pfnbo.recipe import load_recipe
from pfnbo.tasks.task import Sizes, Task, draw

RECIPE = load_recipe("bnn_fixed")
NETWORK, NOISE = RECIPE.prior.function, RECIPE.prior.noise.low  # type: ignore[attr-defined]
ROWS, COLUMNS, QUERIES = (16, 64), 3, 64
CHAINS, STEPS = (64, 256, 1024), (1_000, 10_000)
ALL = jnp.ones(COLUMNS, bool)

# Of a task with all its rows and columns seen: (key, task) -> log densities (queries,).
Method = Callable[[jax.Array, Task], jax.Array]


def model(x, y=None):
    """Describe weights and observations to NumPyro."""
    size = NETWORK.size(COLUMNS)
    weights = numpyro.sample("weights", dist.Normal(0, 1).expand([size]).to_event(1))
    at = NETWORK.value(weights, x, ALL)
    numpyro.sample("y", dist.Normal(at, NOISE).to_event(1), obs=y)


@jax.jit
def density(weights, task: Task) -> jax.Array:
    """Return the log density of the queries under draws of the weights."""
    n = task.seen.shape[0]
    at = jax.vmap(lambda w: NETWORK.value(w, task.x[n:], ALL))(weights)
    each = norm.logpdf(task.y[None, n:], at, NOISE)
    return logsumexp(each, 0) - jnp.log(len(weights))


def nuts(draws: int) -> Method:
    """Return NUTS with as many draws after as many steps of adaptation."""
    mcmc = MCMC(
        NUTS(model),
        num_warmup=draws,
        num_samples=draws,
        progress_bar=False,
        jit_model_args=True,
    )

    def method(key, task):
        n = task.seen.shape[0]
        mcmc.run(key, task.x[:n], task.y[:n])
        return density(mcmc.get_samples()["weights"], task)

    return method


def variational(steps: int) -> Method:
    """Return variational inference by independent normals."""
    guide = AutoNormal(model)
    svi = SVI(model, guide, numpyro.optim.Adam(0.01), Trace_ELBO())

    @jax.jit
    def method(key, task):
        n = task.seen.shape[0]
        data = task.x[:n], task.y[:n]
        first, own = jax.random.split(key)
        state = svi.init(first, *data)
        state = jax.lax.fori_loop(0, steps, lambda _, s: svi.update(s, *data)[0], state)
        draws = guide.sample_posterior(own, svi.get_params(state), sample_shape=(256,))
        return density(draws["weights"], task)

    return method


def pretrained(name: str) -> Method:
    """Return the network of a checkpoint."""
    loaded = checkpoint.load(name)
    network = put_together(structure(configured(loaded.config["model"])), loaded.params)
    return jax.jit(
        lambda key, task: predictive(network, task).log_prob(task.y[len(task.seen) :])
    )


def tasks(rows: int, count: int, seed: int) -> list[Task]:
    """Return tasks with all rows and columns seen."""
    sizes = Sizes(rows, QUERIES, COLUMNS)
    batch = 32 * count  # one in ten has all rows, and a third of these all columns
    made = jax.device_get(draw(jax.random.key(seed), RECIPE.prior, sizes, batch, count))
    full = made.seen.all(1) & made.columns.all(1)
    return [
        jax.tree.map(lambda a, i=i: a[i], made) for i in np.flatnonzero(full)[:count]
    ]


def judged(method: Method, some: list[Task]) -> tuple[np.ndarray, float]:
    """Return the loss of each task and the median seconds after compilation."""
    jax.block_until_ready(method(jax.random.key(0), some[0]))
    losses, seconds = [], []
    for index, task in enumerate(some):
        begin = time.perf_counter()
        found = jax.block_until_ready(method(jax.random.key(index), task))
        seconds.append(time.perf_counter() - begin)
        losses.append(-np.mean(found))
    return np.array(losses), float(np.median(seconds))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", nargs="?", default="bnn_fixed")
    parser.add_argument("--tasks", type=int, default=24)
    parser.add_argument("--chains", type=int, nargs="+", default=CHAINS)
    parser.add_argument("--steps", type=int, nargs="+", default=STEPS)
    parser.add_argument("--seed", type=int, default=10_000)
    args = parser.parse_args()
    methods: dict[str, Method] = {"pretrained network": pretrained(args.checkpoint)}
    methods |= {f"variational, {n} steps": variational(n) for n in args.steps}
    methods |= {f"NUTS, {n} draws": nuts(n) for n in args.chains}
    print("| rows | method | loss | more than the last | ms | times the network |")
    print("|---|---|---|---|---|---|")
    for rows in ROWS:
        some = tasks(rows, args.tasks, args.seed)
        found = {name: judged(method, some) for name, method in methods.items()}
        reference = found[list(found)[-1]][0]
        fastest = found["pretrained network"][1]
        for name, (losses, seconds) in found.items():
            more = losses - reference
            error = more.std(ddof=1) / len(more) ** 0.5
            cells = f"{losses.mean():.3f} | {more.mean():.3f} ± {error:.3f}"
            speed = f"{1e3 * seconds:.1f} | {seconds / fastest:.0f}"
            print(f"| {rows} | {name} | {cells} | {speed} |", flush=True)


if __name__ == "__main__":
    main()
