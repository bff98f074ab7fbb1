"""Deep kernels: exact Gaussian processes of what networks make of the inputs.

A network trained on nothing but the evidence pulls together what has the same value and
trusts itself everywhere (Ober et al. 2021, arXiv 2102.12108). Rows held out therefore
choose what keeps it in check: how far it may move points, or how much is noise.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import jax
import jax.numpy as jnp

from pfnbo.compilation import jit
from pfnbo.data import Data
from pfnbo.errors import SettingError
from pfnbo.factor import log_evidence
from pfnbo.kernel import gram, log_prior, warp
from pfnbo.surrogates import laplace
from pfnbo.surrogates.descent import descend
from pfnbo.surrogates.gauss_newton import candidates
from pfnbo.surrogates.gp import GP, GPPosterior, condition
from pfnbo.surrogates.laplace import Linear, LinearPosterior
from pfnbo.surrogates.mlp import MLP

REACHES = (0.0, 0.1, 0.3, 1.0)  # deviations of the moves; 0 leaves the process alone


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class NetworkMoves:
    """Moves of points by a network of each output."""

    params: jax.Array  # (outputs, p)
    reach: jax.Array  # (outputs,) largest deviation of a move a priori, in the cube
    network: MLP = field(metadata=dict(static=True))

    def __call__(
        self,
        x: jax.Array,  # (d,)
    ) -> jax.Array:
        """Return the move of one point for each output, (outputs, d)."""
        unit = (self.network.weight + self.network.bias) ** -0.5
        moves = jax.vmap(self.network.all, (0, None))(self.params, x)
        return unit * self.reach[:, None] * moves


@dataclass(frozen=True)
class DKL:
    """A Gaussian process of points moved by a network, both trained on the evidence.

    The weights have their prior, and their training begins with no move at the fit of
    the process. Where no reach of the moves predicts rows held out better than none,
    the process is left as it was.

    Args:
        network: its form; it has an output per column.
        process: the Gaussian process.
        folds: parts of the rows, held out by turns.
        steps: of each training.

    Source: Wilson et al. 2016, arXiv 1511.02222; Duvenaud et al. 2014, arXiv 1402.5836
    (inputs beside what networks make of them).
    """

    network: MLP = MLP((16,))
    process: GP = GP(additive=False, warp=False)
    folds: int = 5
    steps: int = 150
    exact = True

    def __post_init__(self):
        """Refuse a training that can hold nothing out."""
        _check(self.folds)

    def fit(self, key: jax.Array, data: Data) -> GPPosterior:
        """Return the posterior of every output."""
        d, dtype = data.x.shape[1], data.x.dtype
        theta = self.process.fit(key, data).theta
        box = tuple(corner.astype(dtype) for corner in self.process.box(d))
        network = replace(self.network, outputs=d)
        return _fit(key, data, theta, box, replace(self, network=network))


@dataclass(frozen=True)
class NeuralLinear:
    """A Bayesian linear model of what a network makes of its inputs.

    The last layer is integrated out, and the others are trained on the evidence that is
    left, with the prior of their weights. It would call too little noise: rows held out
    choose how much.

    Args:
        network: its form.
        noise: None chooses the noise; a number is its standard deviation in units of
            the standardised output, at least 0.001.
        folds: parts of the rows, held out by turns.
        steps: of each training.

    Source: Snoek et al. 2015, arXiv 1502.05700; Ober & Rasmussen 2019, arXiv
    1912.08416 (why the noise decides).
    """

    network: MLP = MLP((20, 20))
    noise: float | None = None
    folds: int = 5
    steps: int = 150
    exact = True

    def __post_init__(self):
        """Refuse a training that can hold nothing out."""
        _check(self.folds)

    def fit(self, key: jax.Array, data: Data) -> LinearPosterior:
        """Return the posterior of every output."""
        noises = candidates(self.noise, data.x.dtype)
        return _fit_linear(key, data, noises, self)


def _check(folds: int) -> None:
    if folds < 2:
        raise SettingError(f"folds is {folds}: at least 2 are needed.")


@functools.partial(jit, static_argnames="model")
def _fit(key, data: Data, theta, box, model: DKL) -> GPPosterior:
    """Return the posterior under the reach that predicts best what is held out."""
    network, kernel = model.network, model.process.whole
    choices = jnp.asarray(REACHES, data.x.dtype)

    def served(place, reach, data):
        theta, params, evidence = place
        moves = NetworkMoves(params, reach, network)
        return condition(theta, data, evidence, kernel, moves)

    def one(key, theta, y, seen):
        params = _drawn(key, network, data.x)
        still = params.at[-network.last(data.x.shape[1]) :].set(0)

        def train(y, seen, reach):
            def loss(place):
                theta, params = place
                moves = NetworkMoves(params[None], reach[None], network)
                rows = warp(theta, data.x) + jax.vmap(moves)(data.x)[:, 0]
                evidence = log_evidence(gram(theta, rows, seen, kernel), y)
                return jnp.sum(params**2) / 2 - evidence - log_prior(theta, kernel)

            boxed = lambda place: (jnp.clip(place[0], *box), place[1])  # noqa: E731
            best, least = descend(loss, (theta, still), model.steps, boxed)
            return *best, -least

        reach = _chosen(train, served, choices, data.x, y, seen, model.folds)
        return train(y, seen, reach), reach

    keys = jax.random.split(key, len(data.y))
    return served(*jax.vmap(one)(keys, theta, data.y, data.seen), data)


@functools.partial(jit, static_argnames="model")
def _fit_linear(key, data: Data, noises, model: NeuralLinear) -> LinearPosterior:
    """Return the posterior under the noise that predicts best what is held out."""
    network = model.network
    layer = Linear(network, network.last(data.x.shape[1]))

    def served(params, noise, data):
        return laplace.condition(params, jnp.ones_like(noise), data, noise, layer)

    def one(key, y, seen):
        start = _drawn(key, network, data.x)

        def train(y, seen, noise):
            def loss(params):
                features = jax.vmap(layer, (None, None, 0))(params, 1.0, data.x)[1]
                features = jnp.where(seen[:, None], features, 0)
                k = features @ features.T + jnp.diag(jnp.where(seen, noise, 1))
                return jnp.sum(params**2) / 2 - log_evidence(k, y)

            return descend(loss, start, model.steps)[0]

        noise = _chosen(train, served, noises, data.x, y, seen, model.folds)
        return train(y, seen, noise), noise

    keys = jax.random.split(key, len(data.y))
    return served(*jax.vmap(one)(keys, data.y, data.seen), data)


def _drawn(key: jax.Array, network: MLP, x: jax.Array) -> jax.Array:
    """Return weights from their prior, (p,)."""
    return jax.random.normal(key, (network.size(x.shape[1]),), x.dtype)


def _chosen(
    train: Callable,
    served: Callable,
    choices: jax.Array,  # (k,)
    x: jax.Array,  # (n, d)
    y: jax.Array,  # (n,)
    seen: jax.Array,  # (n,) bool
    folds: int,
) -> jax.Array:
    """Return the choice under which each fold is predicted best from the others."""

    def worth(choice, fold):
        held = jnp.arange(len(y)) % folds == fold
        y_rest, rest = jnp.where(held, 0, y), seen & ~held
        trained = train(y_rest, rest, choice), choice
        trained = jax.tree.map(lambda a: a[None], trained)
        posterior = served(*trained, Data(x, y_rest[None], rest[None]))
        told = jax.vmap(posterior.observe)(x).log_prob(y[:, None])[:, 0]
        return jnp.sum(jnp.where(held & seen, told, 0))

    if len(choices) == 1:
        return choices[0]
    each = jax.vmap(jax.vmap(worth, (None, 0)), (0, None))(choices, jnp.arange(folds))
    return choices[jnp.argmax(jnp.nan_to_num(jnp.sum(each, 1), nan=-jnp.inf))]
