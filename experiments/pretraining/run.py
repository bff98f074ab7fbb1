"""Prints how fast training steps are, and where their time goes.

    python experiments/pretraining/run.py

For the largest table size of each recipe: tasks per CPU second, and so per core, of
whole steps; the share of a step that draws tasks; the rest of it, the network and its
gradient, also alone, on tasks drawn before; and the matrix products in that, in
floating-point operations per CPU second, as a share of the ceiling. The ceiling is what
one large float32 product reaches in the same process; "same sizes" is what the products
of the network reach when each is run alone, as often as the network runs it: the rest
of the distance is the smallness of the matrices. Takes some minutes, most of them
compilation.
"""

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pfnbo.compilation import enable_compilation_cache
from pfnbo.pfn.loss import loss, standardized
from pfnbo.pfn.network import put_together
from pfnbo.pretrain import Training
from pfnbo.recipe import Recipe, load_recipe
from pfnbo.tasks.task import draw, draw_group

SECONDS = 10.0  # of CPU, of each measurement, at least
SIZE = 1024  # of the matrices of the ceiling


class Product(NamedTuple):
    """A batched matrix product: `batch` products of (m, k) with (k, n)."""

    batch: int
    m: int
    k: int
    n: int
    dtype: str

    @property
    def operations(self) -> float:
        """Floating-point operations, a multiplication and an addition as two."""
        return 2.0 * self.batch * self.m * self.k * self.n


def seconds(call: Callable[[], Any], least: float = SECONDS) -> float:
    """Return the CPU seconds of a compiled function."""
    jax.block_until_ready(call())
    start, calls = time.process_time(), 0
    while time.process_time() - start < least:
        jax.block_until_ready(call())
        calls += 1
    return (time.process_time() - start) / calls


def ceiling() -> float:
    """Return the operations per CPU second of a large float32 matrix product."""
    a = jnp.ones((SIZE, SIZE), jnp.float32)
    product = jax.jit(lambda a: a @ a)
    return 2 * SIZE**3 / seconds(lambda: product(a))


def products(jaxpr: Any) -> Counter:
    """Return how often a program runs each product, those in loops included."""
    found = Counter()
    for equation in jaxpr.eqns:
        if equation.primitive.name == "dot_general":
            found[_product(equation)] += 1
        turns = equation.params.get("length", 1)  # of a scan
        for inner in _inner(equation.params):
            for product, count in products(inner).items():
                found[product] += turns * count
    return found


def _inner(params: dict[str, Any]) -> Iterator[Any]:
    for value in params.values():
        for part in value if isinstance(value, (tuple, list)) else (value,):
            part = getattr(part, "jaxpr", part)
            if hasattr(part, "eqns"):
                yield part


def _product(equation: Any) -> Product:
    (left, right), (batched, _) = equation.params["dimension_numbers"]
    a, b = (v.aval for v in equation.invars)
    batch = int(np.prod([a.shape[i] for i in batched]))
    k = int(np.prod([a.shape[i] for i in left]))
    m, n = a.size // (batch * k), b.size // (batch * k)
    return Product(batch, m, k, n, str(a.dtype))


def alone(found: Counter) -> float:
    """Return the CPU seconds of all products when each is run alone."""
    total = 0.0
    for product, count in found.items():
        a = jnp.ones((product.batch, product.m, product.k), product.dtype)
        b = jnp.ones((product.batch, product.k, product.n), product.dtype)
        total += count * seconds(lambda a=a, b=b: _multiply(a, b), 0.05)
    return total


@jax.jit
def _multiply(a, b):
    return jax.lax.dot_general(a, b, (((2,), (1,)), ((0,), (0,))))


def measured(recipe: Recipe, best: float) -> list[str]:
    """Return the cells of a recipe."""
    stage = recipe.schedule.stages[-1]
    count = stage.groups * stage.group
    with jax.enable_x64(recipe.schedule.double), tempfile.TemporaryDirectory() as f:
        training = Training(recipe, Path(f))
        key, zero, state = training.key(0), np.float32(0), training.state
        step = seconds(lambda: training.step(stage, key, zero))
        drawn = jax.jit(
            lambda key: draw(key, recipe.prior, stage.sizes, count, stage.groups)
        )
        sampler = seconds(lambda: drawn(key))
        tasks = draw_group(key, recipe.prior, stage.sizes, stage.group)
        if recipe.standardize:
            tasks = jax.vmap(standardized)(tasks)

        def mean_loss(params):
            network = put_together(training.program.graph, params)
            return jnp.mean(jax.vmap(lambda task: loss(network, task))(tasks))

        gradient = jax.jit(jax.grad(mean_loss))
        network = seconds(lambda: gradient(state.params))
        found = products(jax.make_jaxpr(jax.grad(mean_loss))(state.params).jaxpr)
        operations = sum(p.operations * n for p, n in found.items())
        small = alone(found)
    return [
        f"{count / step:.0f}",
        f"{sampler / step:.0%}",
        f"{stage.group / network:.0f}",
        f"{operations / stage.group / 1e6:.0f}",
        f"{operations / network / best:.0%}",
        f"{operations / small / best:.0%}",
    ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipes", nargs="*", default=["gp_fixed", "engineering"])
    args = parser.parse_args()
    enable_compilation_cache()
    best = ceiling()
    print(f"ceiling: {best / 1e9:.0f} billion operations per CPU second\n")
    print(
        "| recipe | tasks/s of a core | sampler | network alone, tasks/s | "
        "million operations a task | of the ceiling | same sizes |"
    )
    print("|---|---|---|---|---|---|---|")
    for name in args.recipes:
        cells = " | ".join(measured(load_recipe(name), best))
        print(f"| {name} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
