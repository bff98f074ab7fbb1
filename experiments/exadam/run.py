"""EXAdam against Adam at equal and at tuned learning rates, on a small classification.

    python experiments/exadam/run.py        (15 seconds on 2 cores)

Data: 10 classes in 64 dimensions, labels of a random two-layer teacher with 5 %
replaced by random ones; 1,200 rows to train on, 600 to tune the rate on and 2,000 to
test on. Network: 64-64-10, batches of 64, 600 steps, 3 seeds.
"""

import argparse

import jax
import jax.numpy as jnp
import optax

from pfnbo.exadam import exadam

SEEDS, STEPS, BATCH, CLASSES, DIM, WIDTH = 3, 600, 64, 10, 64, 64
SIZES = {"train": 1200, "valid": 600, "test": 2000}
RATES = (3e-5, 1e-4, 2e-4, 3e-4, 5e-4, 1e-3, 2e-3, 3e-3, 1e-2)
EQUAL = 1e-3
OPTIMIZERS = {
    "Adam": optax.adam,
    "EXAdam v2": exadam,
    "EXAdam v1": lambda rate: exadam(rate, version=1),
}


def network(params, x):
    return jnp.tanh(x @ params["w1"] + params["b1"]) @ params["w2"] + params["b2"]


def initial(key):
    k1, k2 = jax.random.split(key)
    return {
        "w1": jax.random.normal(k1, (DIM, WIDTH)) / DIM**0.5,
        "b1": jnp.zeros(WIDTH),
        "w2": jax.random.normal(k2, (WIDTH, CLASSES)) / WIDTH**0.5,
        "b2": jnp.zeros(CLASSES),
    }


def draw(key):
    """Draw the three sets of rows and labels."""
    kt, kx, kn, kl = jax.random.split(key, 4)
    n = sum(SIZES.values())
    x = jax.random.normal(kx, (n, DIM))
    y = network(initial(kt), x).argmax(1)
    noise = jax.random.randint(kl, (n,), 0, CLASSES)
    y = jnp.where(jax.random.bernoulli(kn, 0.05, (n,)), noise, y)
    a, b = SIZES["train"], SIZES["train"] + SIZES["valid"]
    return {"train": (x[:a], y[:a]), "valid": (x[a:b], y[a:b]), "test": (x[b:], y[b:])}


def loss(params, x, y):
    logits = network(params, x)
    return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()


def trained(name, seed, rate):
    """Return the losses on the three sets after the last step."""
    k_data, k_init, k_batch = jax.random.split(jax.random.key(seed), 3)
    sets, optimizer = draw(k_data), OPTIMIZERS[name](rate)
    params = initial(k_init)

    def step(carry, key):
        params, state = carry
        rows = jax.random.randint(key, (BATCH,), 0, SIZES["train"])
        x, y = sets["train"]
        gradient = jax.grad(loss)(params, x[rows], y[rows])
        updates, state = optimizer.update(gradient, state, params)
        return (optax.apply_updates(params, updates), state), None

    keys = jax.random.split(k_batch, STEPS)
    (params, _), _ = jax.lax.scan(step, (params, optimizer.init(params)), keys)
    return jnp.stack([loss(params, *sets[part]) for part in SIZES])


def main():
    argparse.ArgumentParser(description=__doc__).parse_args()
    run = jax.jit(trained, static_argnums=0)
    print(f"mean cross-entropy over {SEEDS} seeds (and the standard deviation on test)")
    print(f"{'optimizer':10} {'rate':>7}" + "".join(f"{p:>8}" for p in SIZES))
    for name in OPTIMIZERS:
        found = {r: jnp.stack([run(name, s, r) for s in range(SEEDS)]) for r in RATES}
        valid = {r: float(values[:, 1].mean()) for r, values in found.items()}
        tuned = min(valid, key=valid.__getitem__)
        for rate, values in found.items():
            mean, sd = values.mean(0), values[:, 2].std(ddof=1)
            mark = " equal" * (rate == EQUAL) + " tuned" * (rate == tuned)
            cells = "".join(f"{v:8.4f}" for v in mean)
            print(f"{name:10} {rate:7g}{cells} ({sd:.4f}){mark}")


if __name__ == "__main__":
    main()
