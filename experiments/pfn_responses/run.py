"""Prints how well networks and a Gaussian process predict responses of real problems.

    python experiments/pfn_responses/run.py

Objectives and constraints of engineering problems, whose shapes guided the prior but
of which no network saw a value, and the diabetes data of scikit-learn (Efron et al.
2004). "loss" is the mean negative log density of unseen responses, at most 20 nats
each, in units of the deviation of the responses seen; "error" the median over responses
of the root mean square error in the same units. Takes about five minutes.
"""

import argparse
from collections.abc import Iterator

import jax
import numpy as np
from sklearn.datasets import load_diabetes

from pfnbo import problems
from pfnbo.data import bucket, pad
from pfnbo.space import Space
from pfnbo.surrogates.gp import GP
from pfnbo.surrogates.pfn import PFN

NAMES = ("welded_beam", "pressure_vessel_cont", "spring", "speed_reducer")
UNSEEN, WORST = 256, 20.0


def responses(rows: int, seed: int) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Return name, rows in the unit cube `(n, d)` and values `(n,)` of each response.

    The first `rows` are to be seen.
    """
    for name in NAMES:
        problem = problems.get(name)
        space = Space.from_bounds(problem.space)
        cube = np.array([space.snap(r) for r in space.design(rows + UNSEEN, seed)])
        values = []
        for row in cube:
            f, g = problem.evaluate(space.decode(row))
            values.append([f, *np.ravel(g)])
        for column in np.array(values, float).T:
            yield name, cube, column
    x, y = load_diabetes(return_X_y=True)
    order = np.random.default_rng(seed).permutation(len(y))[: rows + UNSEEN]
    low, high = x.min(0), x.max(0)
    yield "diabetes", ((x - low) / (high - low))[order], y[order]


@jax.jit
def judged(posterior, x, y) -> tuple[jax.Array, jax.Array]:
    """Return mean loss and root mean square error at unseen rows."""
    at = jax.vmap(posterior.observe)(x)
    loss = -at.log_prob(y[:, None])
    miss = at.mean[:, 0] - y
    return jax.numpy.mean(jax.numpy.minimum(loss, WORST)), (miss @ miss / len(y)) ** 0.5


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[20, 50], help="seen")
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    models = {"anchored": PFN("anchored"), "engineering": PFN(), "GP": GP()}
    found: dict[tuple[str, int], list[np.ndarray]] = {}
    with jax.enable_x64(True):
        for rows in args.rows:
            for seed in range(args.seeds):
                for name, x, y in responses(rows, seed):
                    z = (y - y[:rows].mean()) / y[:rows].std()
                    data = pad(x[:rows], z[None, :rows], bucket(rows))
                    scores = []
                    for model in models.values():
                        posterior = model.fit(jax.random.key(0), data)
                        scores.append(judged(posterior, x[rows:], z[rows:]))
                    found.setdefault((name, rows), []).append(np.array(scores))
    heads = [f"{word}, {name}" for word in ("loss", "error") for name in models]
    print(f"| problem | seen | responses | {' | '.join(heads)} |")
    print("|---" * (3 + 2 * len(models)) + "|")
    for (name, rows), scores in found.items():
        loss = np.mean(scores, 0)[:, 0]
        error = np.median(scores, 0)[:, 1]
        told = [f"{v:.2f}" for v in loss] + [f"{v:.3f}" for v in error]
        print(f"| {name} | {rows} | {len(scores)} | {' | '.join(told)} |")


if __name__ == "__main__":
    main()
