"""The predictive algebra against densities written here and integrated by SciPy."""

import dataclasses
import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special, stats
from scipy.integrate import quad

from pfnbo.bars import Bars
from pfnbo.predictive import Mixture, Normal, Predictive, StudentT
from pfnbo.special import log_h

MASS, BORDERS = np.array([0.1, 0.2, 0.3, 0.4]), np.array([-3.0, -1.0, 0.0, 1.0, 3.0])
WEIGHTS = np.array([0.5, 0.3, 0.2])
LOCS, SCALES = np.array([-1.0, 0.5, 2.0]), np.array([0.5, 1.5, 0.1])
COMPONENTS = list(zip(LOCS, SCALES, strict=True))


@pytest.fixture(autouse=True)
def strict():
    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        yield


@pytest.fixture
def x64():
    with jax.enable_x64(True):
        yield


def make(name: str, dtype=jnp.float64) -> Predictive:
    """The distribution `name` with all fields arrays of `dtype`."""

    def arr(x):
        return jnp.asarray(x, dtype)

    weights = arr(np.log(WEIGHTS) + 3)  # unnormalised on purpose
    stacked = Bars(
        arr(np.log([MASS, MASS[::-1]])), arr(BORDERS), arr([0.0, 0.5]), arr([1.0, 0.3])
    )
    return {
        "normal": lambda: Normal(arr(0.3), arr(0.7)),
        "student": lambda: StudentT(arr(3.5), arr(0.3), arr(0.7)),
        "normals": lambda: Mixture(weights, Normal(arr(LOCS), arr(SCALES))),
        "bars": lambda: Bars(arr(np.log(MASS) - 2), arr(BORDERS), arr(0.5), arr(2.0)),
        "mixed-bars": lambda: Mixture(arr(np.log([0.3, 0.7])), stacked),
    }[name]()


@functools.partial(jax.jit, static_argnums=0)
def call(method: str, dist: Predictive, *args):
    out = getattr(dist, method)
    return out(*args) if callable(out) else out


@functools.partial(jax.jit, static_argnums=0)
def both(method: str, dist: Predictive, y):
    """The method and its derivative at each entry of the vector `y`."""
    return jax.vmap(jax.value_and_grad(getattr(dist, method)))(y)


def norm(y, loc=0.0, scale=1.0):
    """Log density in plain Python, since SciPy's takes 0.1 ms a call."""
    return -(((y - loc) / scale) ** 2) / 2 - math.log(scale * math.sqrt(2 * math.pi))


def student(y, df, loc, scale):
    const = math.lgamma((df + 1) / 2) - math.lgamma(df / 2)
    const -= math.log(math.pi * df) / 2 + math.log(scale)
    return const - (df + 1) / 2 * math.log1p(((y - loc) / scale) ** 2 / df)


def mix(weights, logs):
    top = max(logs)
    terms = (w * math.exp(x - top) for w, x in zip(weights, logs, strict=True))
    return top + math.log(sum(terms))


def bars(y, mass, loc=0.0, scale=1.0):
    """Log density of the Riemann distribution, one bar at a time."""
    z, b = (y - loc) / scale, BORDERS
    if b[1] <= z < b[-2]:
        k = np.searchsorted(b, z, side="right") - 1
        return math.log(mass[k] / (b[k + 1] - b[k]) / scale)
    anchor, width, share = (b[1], b[1] - b[0], mass[0])
    if z >= b[-2]:
        anchor, width, share = (b[-2], b[-1] - b[-2], mass[-1])
    half_normal = math.log(2) + norm(z, anchor, width / 0.6744897501960817)
    return math.log(share / scale) + half_normal


def logpdf_of(name: str):
    """The log density of `make(name)`, written independently."""
    return {
        "normal": lambda y: norm(y, 0.3, 0.7),
        "student": lambda y: student(y, 3.5, 0.3, 0.7),
        "normals": lambda y: mix(WEIGHTS, [norm(y, *c) for c in COMPONENTS]),
        "bars": lambda y: bars(y, MASS, 0.5, 2.0),
        "mixed-bars": lambda y: mix(
            [0.3, 0.7], [bars(y, MASS), bars(y, MASS[::-1], 0.5, 0.3)]
        ),
    }[name]


BREAKS = {
    "bars": 0.5 + 2.0 * BORDERS,
    "mixed-bars": np.sort(np.r_[BORDERS, 0.5 + 0.3 * BORDERS]),
}
DEFAULT_BREAKS = np.sort(
    np.r_[-4.0, 5.0, (LOCS + np.outer([-4, 0, 4], SCALES)).ravel()]
)
FAMILY = ["normal", "student", "normals", "bars", "mixed-bars"]
BODY = [-4.1, -2.0, -0.77, 0.3, 0.9, 1.7, 2.3, 4.3]
FAR = [12.0, 40.0, 300.0, 700.0]  # 700 is 1000 standard deviations of "normal"
POINTS = np.array([*(-y for y in FAR), *BODY, *FAR])
P = np.r_[1e-12, 1e-5, np.arange(1, 14) / 14, 1 - 1e-9]  # as many, for one compilation


def integral(f, breaks, low=-np.inf) -> float:
    ends = [low, *(b for b in breaks if b > low), np.inf]
    pieces = zip(ends[:-1], ends[1:], strict=True)
    opts = {"epsabs": 1e-14, "epsrel": 1e-11, "limit": 400}
    return sum(quad(f, a, b, **opts)[0] for a, b in pieces)


@functools.cache
def upper(name: str, y: float, order: int, sign: int = 1) -> float:
    """Log of the integral of (v - y)^order over v > y, of the density at sign * v."""
    log_pdf = logpdf_of(name)
    breaks = np.sort(sign * BREAKS.get(name, DEFAULT_BREAKS))
    if y < breaks[-1]:
        f = lambda v: (v - y) ** order * math.exp(log_pdf(sign * v))  # noqa: E731
        return np.log(integral(f, breaks, y))
    base, step = log_pdf(sign * y), 1e-4 * y
    unit = step / (base - log_pdf(sign * (y + step)))
    f = lambda w: w**order * math.exp(log_pdf(sign * (y + unit * w)) - base)  # noqa: E731
    return base + (order + 1) * np.log(unit) + np.log(integral(f, [1.0, 10.0], 0.0))


@pytest.mark.parametrize("name", FAMILY)
def test_density_and_moments_match_quadrature(name, x64):
    dist, log_pdf = make(name), logpdf_of(name)
    breaks = BREAKS.get(name, DEFAULT_BREAKS)
    want = [log_pdf(y) for y in POINTS]
    np.testing.assert_allclose(call("log_prob", dist, POINTS), want, rtol=1e-10)
    mean = integral(lambda y: y * math.exp(log_pdf(y)), breaks)
    var = integral(lambda y: (y - mean) ** 2 * math.exp(log_pdf(y)), breaks)
    np.testing.assert_allclose(call("mean", dist), mean, rtol=1e-7)
    np.testing.assert_allclose(call("var", dist), var, rtol=1e-6)


@pytest.mark.parametrize("name", FAMILY)
def test_entropy_matches_quadrature(name, x64):
    log_pdf = logpdf_of(name)
    want = integral(
        lambda y: -math.exp(log_pdf(y)) * log_pdf(y), BREAKS.get(name, DEFAULT_BREAKS)
    )
    np.testing.assert_allclose(call("entropy", make(name)), want, atol=1e-8)
    single = call("entropy", make(name, jnp.float32))
    np.testing.assert_allclose(single, want, atol=1e-5)
    assert single.dtype == jnp.float32


@pytest.mark.parametrize("ratio", [1.0, 30.0, 1000.0])
@pytest.mark.parametrize("gap", [0.0, 2.5, 20.0])
def test_mixture_entropy_keeps_its_error_when_scales_differ(ratio, gap, x64):
    def entr(y):
        pdf = (stats.norm.pdf(y) + stats.norm.pdf(y, gap, 1 / ratio)) / 2
        return special.entr(pdf)

    ends = np.sort(np.r_[-9:10, gap + np.arange(-9, 10) / ratio, gap + 12])
    node, weight = np.polynomial.legendre.leggauss(40)
    half = np.diff(ends)[:, None] / 2
    want = np.sum(weight * half * entr(ends[:-1, None] + half * (1 + node)))
    for dtype, atol in ((jnp.float64, 1e-8), (jnp.float32, 1e-5 + 1e-8 * gap * ratio)):
        # In float32 the rounding of y near `gap` is worth 1e-8 * gap * ratio.
        loc, scale = jnp.asarray([0, gap], dtype), jnp.asarray([1, 1 / ratio], dtype)
        got = call("entropy", Mixture(jnp.zeros(2, dtype), Normal(loc, scale)))
        np.testing.assert_allclose(got, want, atol=atol)


@pytest.mark.parametrize("dtype, rtol", [("float64", 3e-9), ("float32", 1e-5)])
@pytest.mark.parametrize("name", FAMILY)
def test_tails_and_their_gradients_match_quadrature(name, dtype, rtol, x64):
    dist, log_pdf = make(name, dtype), logpdf_of(name)
    for method, sign in (("log_sf", 1), ("log_cdf", -1)):
        got, grad = both(method, dist, jnp.asarray(sign * POINTS, dtype))
        want = np.array([upper(name, v, 0, sign) for v in POINTS])
        assert got.dtype == grad.dtype == dtype
        np.testing.assert_allclose(got, want, rtol, atol=rtol)
        hazard = np.exp([log_pdf(sign * v) for v in POINTS] - want)
        np.testing.assert_allclose(grad, -sign * hazard, 5 * rtol, atol=1e-30)


@pytest.mark.parametrize("dtype, rtol", [("float64", 1e-8), ("float32", 5e-5)])
@pytest.mark.parametrize("name", FAMILY)
def test_log_ei_and_its_gradient_match_quadrature(name, dtype, rtol, x64):
    got, grad = both("log_ei", make(name, dtype), jnp.asarray(POINTS, dtype))
    want = np.array([upper(name, y, 1) for y in POINTS])
    assert got.dtype == grad.dtype == dtype
    np.testing.assert_allclose(got, want, rtol, atol=rtol)
    mass = np.array([upper(name, y, 0) for y in POINTS])
    np.testing.assert_allclose(grad, -np.exp(mass - want), rtol)


@pytest.mark.parametrize("name", ["student", "normals", "mixed-bars"])
def test_gradients_in_every_field_match_finite_differences(name, x64):
    def loss(dist):
        terms = [dist.log_ei(1.1), dist.log_cdf(-6.0), dist.log_sf(7.0), dist.icdf(0.2)]
        return sum(terms) + dist.entropy() + dist.mean + dist.var

    loss, dist, rng = (
        jax.jit(jax.value_and_grad(loss)),
        make(name),
        np.random.default_rng(0),
    )
    _, grad = loss(dist)
    for leaf in range(len(jax.tree.leaves(dist))):
        steps = [np.zeros(x.shape) for x in jax.tree.leaves(dist)]
        steps[leaf] += rng.normal(size=steps[leaf].shape)
        step = jax.tree.unflatten(jax.tree.structure(dist), steps)
        ahead, back = (
            loss(jax.tree.map(lambda x, d, e=e: x + e * d, dist, step))[0]
            for e in (1e-5, -1e-5)
        )
        want = sum(
            np.sum(g * d) for g, d in zip(jax.tree.leaves(grad), steps, strict=True)
        )
        np.testing.assert_allclose((ahead - back) / 2e-5, want, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["normal", "student", "mixed-bars"])
def test_float32_gradients_are_finite_to_a_thousand_deviations(name):
    def total(dist, y):
        return dist.log_ei(y) + dist.log_cdf(y) + dist.log_sf(y) + dist.log_prob(y)

    y = jnp.array([-1e3, -31.0, 0.3, 31.0, 1e3])
    grads = jax.jit(jax.vmap(jax.grad(total), (None, 0)))(make(name, jnp.float32), y)
    assert all(np.isfinite(g).all() for g in jax.tree.leaves(grads))


@pytest.mark.parametrize("name", FAMILY)
def test_icdf_inverts_cdf(name, x64):
    dist = make(name)
    y, slope = both("icdf", dist, P)
    np.testing.assert_allclose(call("cdf", dist, y), P, rtol=1e-9)
    np.testing.assert_allclose(np.exp(both("log_sf", dist, y)[0]), 1 - P, rtol=1e-7)
    density = np.exp(call("log_prob", dist, y))
    np.testing.assert_allclose(slope * density, 1, rtol=1e-6)
    single, p32 = make(name, jnp.float32), jnp.asarray(P[:-1], jnp.float32)
    y32 = call("icdf", single, p32)
    assert y32.dtype == jnp.float32
    np.testing.assert_allclose(call("cdf", single, y32), p32, rtol=3e-5)


def test_icdf_of_separated_components_is_finite(x64):
    dist = Mixture(jnp.zeros(2), Normal(jnp.array([-100.0, 100.0]), jnp.array(1.0)))
    p = jnp.array([0.25, 0.5])
    value, grad = both("icdf", dist, p)
    np.testing.assert_allclose(value[0], -100, atol=1e-9)
    np.testing.assert_allclose(grad[0], 2 * np.sqrt(2 * np.pi), rtol=1e-9)
    assert np.isfinite(grad[1])


@pytest.mark.parametrize("name", ["normal", "student", "mixed-bars"])
def test_samples_have_the_moments(name):
    dist, count = make(name, jnp.float32), 3000
    draws = jax.jit(lambda d: d.sample(jax.random.key(0), (count,)))(dist)
    assert draws.shape == (count,) and draws.dtype == jnp.float32
    error = np.sqrt(dist.var / count)
    np.testing.assert_allclose(draws.mean(), dist.mean, atol=4 * error)
    ranks = np.asarray(call("cdf", dist, draws), np.float64)
    assert stats.kstest(ranks, "uniform").pvalue > 1e-3


def moved(dist, shift, factor):
    """`dist` of the variable shift + factor * Y."""
    if isinstance(dist, Mixture):
        inner = moved(dist.components, shift, factor)
        return dataclasses.replace(dist, components=inner)
    loc, scale = shift + factor * dist.loc, factor * dist.scale
    return dataclasses.replace(dist, loc=loc, scale=scale)


@pytest.mark.parametrize("name", FAMILY)
def test_shift_and_scale(name, x64):
    dist, y = make(name), jnp.asarray(POINTS)
    other, log, z = moved(dist, -2.0, 5.0), np.log(5.0), -2 + 5 * y
    pairs = [
        (call("mean", other), -2 + 5 * call("mean", dist)),
        (call("var", other), 25 * call("var", dist)),
        (call("entropy", other), call("entropy", dist) + log),
        (both("icdf", other, P)[0], -2 + 5 * both("icdf", dist, P)[0]),
        (call("log_prob", other, z), call("log_prob", dist, y) - log),
        (both("log_cdf", other, z)[0], both("log_cdf", dist, y)[0]),
        (both("log_sf", other, z)[0], both("log_sf", dist, y)[0]),
        (both("log_ei", other, z)[0], both("log_ei", dist, y)[0] + log),
    ]
    for got, want in pairs:
        np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-9)


METHODS = ["log_prob", "cdf", "log_cdf", "log_sf", "log_ei", "icdf"]


def batched(name):
    loc, scale = jnp.arange(6.0).reshape(3, 2), jnp.ones(2)
    logits, borders = jnp.zeros((2, 4)), jnp.asarray(BORDERS, jnp.float32)
    return {
        "normal": Normal(loc, scale),
        "student": StudentT(4.0, loc, scale),
        "mixture": Mixture(jnp.zeros(5), Normal(jnp.ones((3, 2, 5)), jnp.ones((2, 1)))),
        "bars": Bars(logits, borders, loc, 2.0),
    }[name]


@pytest.mark.parametrize("name", ["normal", "student", "mixture", "bars"])
def test_fields_and_arguments_of_unequal_rank_broadcast(name):
    dist = batched(name)
    for f in ("mean", "var", "entropy"):
        assert jax.eval_shape(functools.partial(call, f), dist).shape == (3, 2)
    for f in METHODS:
        for shape in ((), (2,), (3, 1), (4, 1, 1, 2)):
            out = jax.eval_shape(functools.partial(call, f), dist, jnp.zeros(shape))
            assert out.shape == np.broadcast_shapes(shape, (3, 2)), (f, shape)


@pytest.mark.parametrize("name", ["normal", "student", "mixture", "bars"])
def test_a_batch_holds_its_points(name):
    dist, y = batched(name), jnp.array([[0.2], [0.4], [0.7]])
    axes = jax.tree.map(lambda x: 0 if jnp.shape(x)[:1] == (3,) else None, dist)

    def values(d, v):
        return d.log_prob(v), d.cdf(v), d.log_sf(v), d.log_ei(v), d.icdf(v)

    rows = jax.jit(jax.vmap(values, (axes, 0)))(dist, y)
    for got, want in zip(jax.jit(values)(dist, y), rows, strict=True):
        np.testing.assert_allclose(got, want, rtol=2e-5, atol=1e-6)
        assert got.shape == (3, 2) and got.std() > 0


@pytest.mark.parametrize("name", ["normal", "student", "mixture", "bars"])
def test_draws_are_independent_across_the_batch(name):
    draws = jax.jit(lambda d: d.sample(jax.random.key(0), (100,)))(batched(name))
    assert draws.shape == (100, 3, 2)
    assert np.abs(np.corrcoef(draws.reshape(100, 6).T) - np.eye(6)).max() < 0.4


def log_h_reference(u):
    """Log h and its derivative: erfcx where it keeps digits, else ten series terms."""
    mills = np.sqrt(np.pi / 2) * special.erfcx(-u / np.sqrt(2))
    near = 1 + u * mills
    k = np.arange(1, 11)
    odd = np.cumprod(2.0 * k - 1)  # 1, 3, 15, ...
    with np.errstate(divide="ignore"):
        t = np.where(u < -15, u, -15.0)[:, None] ** -2.0
    terms = (-1.0) ** (k + 1) * odd * t**k
    share = np.where(u < -15, terms.sum(1), near)
    log = -(u**2) / 2 - 0.5 * np.log(2 * np.pi) + np.log(share)
    mills_far = -(1 - np.where(u < -15, terms.sum(1), 0)) / np.where(u < -15, u, -15)
    return log, np.where(u < -15, mills_far, mills) / share


@pytest.mark.parametrize(
    "dtype, value, slope", [("float64", 1e-13, 3e-11), ("float32", 1e-6, 3e-5)]
)
def test_log_h_on_every_branch(dtype, value, slope, x64):
    u = jnp.asarray(np.r_[-np.geomspace(1000, 1e-3, 300), -30, -10, -1, 0, 1, 5], dtype)
    want, want_slope = log_h_reference(np.asarray(u, np.float64))
    got, grad = jax.jit(jax.vmap(jax.value_and_grad(log_h)))(u)
    np.testing.assert_allclose(got, want, rtol=value, atol=10 * value)
    np.testing.assert_allclose(grad, want_slope, rtol=slope)
    assert got.dtype == dtype


@pytest.mark.parametrize("dtype, rtol", [("float64", 1e-13), ("float32", 1e-6)])
def test_normal_tail_has_no_gap(dtype, rtol, x64):
    # JAX's erfcx, an obvious building block, is 0 in float32 near u = -13.
    u = np.asarray(jnp.asarray(-np.geomspace(0.01, 1000, 4000), dtype), np.float64)
    dist = Normal(jnp.zeros((), dtype), jnp.ones((), dtype))
    got, grad = both("log_cdf", dist, jnp.asarray(u, dtype))
    np.testing.assert_allclose(got, stats.norm.logcdf(u), rtol, atol=rtol)
    want = np.sqrt(2 / np.pi) / special.erfcx(-u / np.sqrt(2))
    np.testing.assert_allclose(grad, want, 10 * rtol)


def test_bars_expected_improvement_counts_both_tails():
    mass, borders = jnp.asarray(MASS, jnp.float32), jnp.asarray(BORDERS, jnp.float32)
    dist = Bars(jnp.log(mass), borders)
    best = jnp.array([-4, -2, -0.5, 0.5, 2, 5])
    want = [5.1081, 3.2097, 1.8714, 1.1839, 0.5997, 0.0972]
    np.testing.assert_allclose(jnp.exp(dist.log_ei(best)), want, atol=6e-5)
    np.testing.assert_allclose(dist.icdf(0.99), 7.646, atol=6e-4)
    np.testing.assert_allclose(dist.var, 6.31, atol=6e-3)


def test_bars_derivative_of_improvement_is_continuous_at_borders(x64):
    dist = make("bars")
    borders = 0.5 + 2 * BORDERS[1:-1]
    value, slope = both("log_ei", dist, borders)
    want = np.exp([upper("bars", b, 0) for b in borders] - np.asarray(value))
    np.testing.assert_allclose(slope, -want, rtol=1e-9)


def test_bars_with_vanishing_outer_mass_stay_finite():
    dist = Bars(
        jnp.array([-300.0, 0.0, 0.0, -300.0]), jnp.asarray(BORDERS, jnp.float32)
    )
    p = jnp.array([1e-6, 0.5, 1 - 1e-6])
    out = [call("icdf", dist, p), call("entropy", dist)]
    out += [call("log_cdf", dist, -9.0), call("log_ei", dist, 9.0)]
    assert all(np.isfinite(x).all() for x in out)
    np.testing.assert_allclose(out[0], [-1, 0, 1], atol=1e-5)


def test_student_needs_df_for_its_moments():
    dist = StudentT(jnp.array([0.9, 1.5, 3.0]), 1.0, 1.0)
    gain = call("log_ei", dist, 2.0)
    np.testing.assert_array_equal(np.isnan(call("mean", dist)), [True, False, False])
    np.testing.assert_array_equal(np.isinf(call("var", dist)), [True, True, False])
    np.testing.assert_array_equal(np.isinf(gain), [True, False, False])


@pytest.mark.parametrize("df", [1.1, 2.0, 30.0, 1e4, 1e6])
@pytest.mark.parametrize("dtype, rtol", [("float64", 1e-9), ("float32", 3e-5)])
def test_student_tail_for_any_df(df, dtype, rtol, x64):
    dist = StudentT(jnp.asarray(df, dtype), jnp.zeros((), dtype), jnp.ones((), dtype))
    a = np.array([0.0, 1e-3, 0.5, 3.0, 10.0])
    points = jnp.asarray(a, dtype)
    tail = stats.t.logsf(a, df)
    got, grad = both("log_sf", dist, points)
    np.testing.assert_allclose(got, tail, rtol, atol=rtol)
    upside = stats.t.logcdf(a, df)
    np.testing.assert_allclose(call("log_cdf", dist, points), upside, rtol, atol=rtol)
    hazard = np.exp(stats.t.logpdf(a, df) - tail)
    np.testing.assert_allclose(grad, -hazard, 10 * rtol)
    gain = np.exp(stats.t.logpdf(a, df)) * (df + a * a) / (df - 1) - a * np.exp(tail)
    got = call("log_ei", dist, points)[:4]  # further out `gain` has lost its digits
    np.testing.assert_allclose(got, np.log(gain[:4]), 1e-5, atol=1e-5)
    np.testing.assert_allclose(call("entropy", dist), stats.t.entropy(df), 3e-6)
    assert np.isfinite(log_ei_slopes(dist, jnp.asarray(1000, dtype)).df)


@jax.jit
def log_ei_slopes(dist, best):
    return jax.grad(lambda d: d.log_ei(best))(dist)


def test_mixture_of_students_improves_by_the_mean_of_the_members(x64):
    loc, scale = jnp.asarray(LOCS), jnp.asarray(SCALES)
    dist = Mixture(jnp.log(jnp.asarray(WEIGHTS)), StudentT(4.5, loc, scale))
    log_pdf = lambda y: mix(WEIGHTS, [student(y, 4.5, *c) for c in COMPONENTS])  # noqa: E731
    gain = integral(lambda y: (y - 1.5) * math.exp(log_pdf(y)), DEFAULT_BREAKS, 1.5)
    np.testing.assert_allclose(call("log_ei", dist, 1.5), math.log(gain), rtol=1e-9)
    entropy = integral(lambda y: -math.exp(log_pdf(y)) * log_pdf(y), DEFAULT_BREAKS)
    np.testing.assert_allclose(call("entropy", dist), entropy, atol=1e-8)
