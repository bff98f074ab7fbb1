"""Functions drawn from Gaussian processes, jointly or by random features."""

from collections.abc import Callable
from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
from jax import Array

from pfnbo.kernel import KERNELS, rbf
from pfnbo.tasks.design import Design
from pfnbo.tasks.noise import Noise
from pfnbo.tasks.random import log_uniform, some_columns
from pfnbo.tasks.task import Drawn, Sizes, Task

KINDS = ("rbf", "matern12", "matern32", "matern52", "rq", "periodic")
BROAD = 2.0  # exponent of the rational-quadratic kernel
# Frequencies are normal times a Gamma variable of mean 1 and this shape to this power.
SPECTRA = {
    "rbf": (1.0, 0.0),
    "matern12": (0.5, -0.5),
    "matern32": (1.5, -0.5),
    "matern52": (2.5, -0.5),
    "rq": (BROAD, 0.5),
}
# (key, columns) -> (d,) length-scales, or () amplitude
Hyper = Callable[[Array, Array], Array]


def jitter() -> float:
    """Return the variance, of a unit signal, that keeps a covariance positive."""
    return 1e-11 if jnp.zeros(()).dtype == jnp.float64 else 3e-5


def scaled(key: Array, columns: Array) -> Array:
    """Log-normal length-scales that grow with sqrt(d) (arXiv 2402.02229)."""
    middle = -0.75 + 0.5 * jnp.log(jnp.sum(columns))
    to_common, to_each = jax.random.split(key)
    # Part of the spread is common: functions differ in roughness, columns in weight.
    common = 0.5 * jax.random.normal(to_common)
    return jnp.exp(middle + common + 0.6 * jax.random.normal(to_each, columns.shape))


def hebo(key: Array, columns: Array) -> Array:
    """Gamma length-scales of HEBO+ (PFNs4BO, arXiv 2305.17535)."""
    return jnp.maximum(jax.random.gamma(key, 1.2107, columns.shape) / 1.5212, 1e-3)


def hebo_scaled(key: Array, columns: Array) -> Array:
    """HEBO+ length-scales times sqrt(d / 4), as more columns need longer ones."""
    return hebo(key, columns) * jnp.sqrt(jnp.sum(columns) / 4)


def fixed(value: float) -> Hyper:
    """Return a hyper-parameter that is the same in every task and column."""
    return lambda key, columns: jnp.full(columns.shape, value)


def hebo_variance(key: Array) -> Array:
    """Gamma signal variance of HEBO+."""
    return jnp.maximum(jax.random.gamma(key, 0.84523) / 0.39936, 1e-4)


def unit_variance(key: Array) -> Array:
    """Signal variance of 1."""
    del key
    return jnp.ones(())


def relative_noise(noise: Noise) -> Callable[[Array, Array], Array]:
    """Noise variance of a level relative to the signal."""
    return lambda key, variance: variance * noise.level(key) ** 2


def hebo_noise(key: Array, variance: Array) -> Array:
    """Log-normal noise variance of HEBO+."""
    del variance
    return jnp.exp(-4.63 + 0.5 * jax.random.normal(key))


def fixed_noise(variance: float) -> Callable[[Array, Array], Array]:
    """Noise variance that is the same in every task."""
    return lambda key, signal: jnp.full((), variance)


@dataclass(frozen=True)
class Gp:
    """A Gaussian process whose covariance is drawn for each function."""

    kinds: tuple[str, ...] = KINDS
    weights: tuple[float, ...] = (0.2, 0.05, 0.2, 0.4, 0.1, 0.05)
    lengths: Hyper = scaled
    variance: Callable[[Array], Array] = unit_variance
    dropped: float = 0.1  # probability that a column does not matter
    additive: float = 0.15  # probability of a sum over columns

    def covariance(self, choice: Array, key: Array, columns: Array) -> "Covariance":
        """Draw a covariance."""
        to_length, to_drop, to_variance, to_period, to_share = jax.random.split(key, 5)
        to_kind, to_additive = jax.random.split(choice)
        logits = jnp.log(jnp.array(self.weights))
        kept = some_columns(to_drop, columns, self.dropped)
        return Covariance(
            kinds=self.kinds,
            kind=jax.random.categorical(to_kind, logits),
            additive=jax.random.bernoulli(to_additive, self.additive),
            rate=jnp.where(kept, 1 / self.lengths(to_length, columns), 0),
            share=jnp.where(kept, jax.random.uniform(to_share, kept.shape), 0),
            period=log_uniform(to_period, 0.15, 1.5, kept.shape),
            variance=self.variance(to_variance),
        )

    def __call__(self, choice: Array, key: Array, columns: Array) -> Drawn:
        """Draw a function whose values are exact jointly, whatever the rows."""
        to_covariance, to_values = jax.random.split(key)
        covariance = self.covariance(choice, to_covariance, columns)

        def f(x: Array) -> Array:
            each = jax.vmap(lambda i: jax.random.fold_in(to_values, i))
            normals = jax.vmap(jax.random.normal)(each(jnp.arange(len(x))))
            return covariance.root(x, jnp.zeros(()), jnp.ones(len(x), bool)) @ normals

        return f


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Covariance:
    """One covariance of a `Gp`; the correlation is `KINDS`, over all or each column."""

    kinds: tuple[str, ...] = field(metadata=dict(static=True))
    kind: Array  # () index into kinds
    additive: Array  # () bool: a mean over columns of one-column kernels
    rate: Array  # (d,) 1 / length-scale, 0 in columns that do not matter
    share: Array  # (d,) weights of the columns of an additive kernel
    period: Array  # (d,) of the periodic kernel
    variance: Array  # ()

    def __call__(
        self,
        a: Array,  # (n, d)
        b: Array,  # (m, d)
    ) -> Array:
        """Return the covariance of rows, (n, m)."""
        steps = a.T[:, :, None] - b.T[:, None, :]  # (d, n, m)
        branches = [lambda s, k=kind: self._correlation(k, s) for kind in self.kinds]
        return self.variance * jax.lax.switch(self.kind, branches, steps)

    def _correlation(self, kind: str, steps: Array) -> Array:
        if kind == "periodic":
            period = self.period[:, None, None]
            steps = 2 * jnp.sin(jnp.pi * steps / period) * period / (2 * jnp.pi)
        squares = (steps * self.rate[:, None, None]) ** 2
        shape = {"rq": rational, "periodic": rbf, **KERNELS}[kind]
        share = self.share / jnp.sum(self.share)
        return jax.lax.cond(
            self.additive,
            lambda: jnp.tensordot(share, shape(squares), 1),
            lambda: shape(jnp.sum(squares, 0)),
        )

    def root(
        self,
        x: Array,  # (rows, d)
        noise: Array,  # () variance
        live: Array,  # (rows,) bool; the others are independent unit normals
    ) -> Array:
        """Return the Cholesky factor of the covariance of observations."""
        both = live[:, None] & live[None, :]
        nugget = noise + jitter() * self.variance
        k = jnp.where(both, self(x, x), 0) + jnp.diag(jnp.where(live, nugget, 1))
        return jnp.linalg.cholesky(k)


def rational(r2: Array) -> Array:
    """Rational-quadratic correlation at squared scaled distance `r2`."""
    return (1 + r2 / (2 * BROAD)) ** -BROAD


def predictive(
    root: Array,  # (rows, rows) Cholesky factor, context rows first
    normals: Array,  # (rows,) observations are root @ normals
    capacity: int,
) -> tuple[Array, Array]:
    """Return the mean and sd of each query given the context, (queries,) each.

    With L the factor, the queries are L_qc e_c + L_qq e_q: the context fixes e_c and
    says nothing about e_q, so no system has to be solved.
    """
    below, corner = root[capacity:, :capacity], root[capacity:, capacity:]
    return below @ normals[:capacity], jnp.sqrt(jnp.sum(corner**2, 1))


@dataclass(frozen=True)
class Exact:
    """Tasks of a Gaussian process with normal noise, and their exact predictive."""

    gp: Gp = Gp()
    design: Design = Design()
    # (key, signal variance) -> noise variance
    noise: Callable[[Array, Array], Array] = relative_noise(Noise())
    families: tuple[str, ...] = ("gp",)

    def sample(self, choice: Array, key: Array, sizes: Sizes) -> Task:
        """Draw a task."""
        keys = jax.random.split(key, 5)
        scope = self.design.scope(keys[0], sizes)
        covariance = self.gp.covariance(choice, keys[1], scope.columns)
        noise = self.noise(keys[2], covariance.variance)
        normals = jax.random.normal(keys[3], (sizes.rows,))

        def observed(x: Array) -> Array:  # the context alone
            root = covariance.root(x, noise, scope.seen)
            return root @ normals[: sizes.capacity]

        x = self.design.place(keys[4], sizes, scope, observed)
        live = jnp.concatenate([scope.seen, jnp.ones(sizes.queries, bool)])
        root = covariance.root(x, noise, live)
        mean, sd = predictive(root, normals, sizes.capacity)
        y = root @ normals
        return Task(x, y, scope.seen, scope.columns, mean, sd, jnp.int32(0))


@dataclass(frozen=True)
class Features:
    """A Gaussian process of random features: cheap, and evaluable anywhere.

    Matern frequencies are Student-t with 2 nu degrees of freedom, and a rational
    quadratic is a Gamma mixture of RBF kernels (Rahimi and Recht 2007; Rasmussen 2006,
    eq. 4.15 and 4.20).
    """

    kinds: tuple[str, ...] = ("rbf", "matern32", "matern52")
    lengths: Hyper = scaled
    dropped: float = 0.1
    size: int = 128
    additive: float = 0.0  # probability of a sum over columns, each weighing the same

    def __call__(self, choice: Array, key: Array, columns: Array) -> Drawn:
        """Draw a function."""
        keys = jax.random.split(key, 6)
        spectra = jnp.array([SPECTRA[kind] for kind in self.kinds])
        shape, power = spectra[jax.random.randint(choice, (), 0, len(self.kinds))]
        tail = (jax.random.gamma(keys[0], shape, (self.size,)) / shape) ** power
        kept = some_columns(keys[1], columns, self.dropped)
        rate = jnp.where(kept, 1 / self.lengths(keys[2], columns), 0)
        normal = jax.random.normal(keys[3], (columns.size, self.size))
        to_additive, to_column = jax.random.split(jax.random.fold_in(keys[5], 1))
        own = jax.random.categorical(to_column, jnp.log(kept), shape=(self.size,))
        alone = jax.random.bernoulli(to_additive, self.additive)
        along = ~alone | (jnp.arange(columns.size)[:, None] == own)
        frequency = jnp.where(along, rate[:, None] * normal * tail, 0)
        phase = jax.random.uniform(keys[4], (1, self.size), maxval=2 * jnp.pi)
        weight = jax.random.normal(keys[5], (self.size,)) * (2 / self.size) ** 0.5
        return lambda x: jnp.cos(x @ frequency + phase) @ weight
