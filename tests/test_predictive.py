"""The predictive algebra against densities written here and integrated by SciPy."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from scipy import special, stats
from scipy.integrate import quad

from pfnbo.predictive import Bars, Mixture, Normal, Predictive, StudentT, log_h

MASS, BORDERS = np.array([0.1, 0.2, 0.3, 0.4]), np.array([-3.0, -1.0, 0.0, 1.0, 3.0])
WEIGHTS = np.array([0.5, 0.3, 0.2])
LOCS, SCALES = np.array([-1.0, 0.5, 2.0]), np.array([0.5, 1.5, 0.1])


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
        "student-near-normal": lambda: StudentT(arr(200.0), arr(0.3), arr(0.7)),
        "normals": lambda: Mixture(weights, Normal(arr(LOCS), arr(SCALES))),
        "students": lambda: Mixture(
            weights, StudentT(arr(4.5), arr(LOCS), arr(SCALES))
        ),
        "bars": lambda: Bars(arr(np.log(MASS) - 2), arr(BORDERS), arr(0.5), arr(2.0)),
        "mixed-bars": lambda: Mixture(arr(np.log([0.3, 0.7])), stacked),
    }[name]()


@functools.partial(jax.jit, static_argnums=0)
def call(method: str, dist: Predictive, *args):
    out = getattr(dist, method)
    return out(*args) if callable(out) else out


@functools.partial(jax.jit, static_argnums=0)
def slope(method: str, dist: Predictive, y):
    """The method's derivative at each entry of the vector `y`."""
    return jax.vmap(jax.grad(getattr(dist, method)))(y)


def bars_logpdf(y, mass, loc=0.0, scale=1.0):
    """Density of the Riemann distribution, one bar at a time."""
    z, b = (y - loc) / scale, BORDERS
    if z < b[1]:
        out = stats.halfnorm.logpdf(
            b[1] - z, scale=(b[1] - b[0]) / stats.norm.ppf(0.75)
        )
        return np.log(mass[0]) + out - np.log(scale)
    if z >= b[-2]:
        out = stats.halfnorm.logpdf(
            z - b[-2], scale=(b[-1] - b[-2]) / stats.norm.ppf(0.75)
        )
        return np.log(mass[-1]) + out - np.log(scale)
    k = np.searchsorted(b, z, side="right") - 1
    return np.log(mass[k] / (b[k + 1] - b[k]) / scale)


def logpdf_of(name: str):
    """The same density as `make(name)`, from SciPy."""
    norm, t = stats.norm.logpdf, stats.t.logpdf
    pairs = list(zip(WEIGHTS, LOCS, SCALES, strict=True))
    return {
        "normal": lambda y: norm(y, 0.3, 0.7),
        "student": lambda y: t(y, 3.5, 0.3, 0.7),
        "student-near-normal": lambda y: t(y, 200.0, 0.3, 0.7),
        "normals": lambda y: special.logsumexp(
            [norm(y, m, s) for _, m, s in pairs], b=WEIGHTS
        ),
        "students": lambda y: special.logsumexp(
            [t(y, 4.5, m, s) for _, m, s in pairs], b=WEIGHTS
        ),
        "bars": lambda y: bars_logpdf(y, MASS, 0.5, 2.0),
        "mixed-bars": lambda y: np.logaddexp(
            np.log(0.3) + bars_logpdf(y, MASS),
            np.log(0.7) + bars_logpdf(y, MASS[::-1], 0.5, 0.3),
        ),
    }[name]


BREAKS = {
    "bars": 0.5 + 2.0 * BORDERS,
    "mixed-bars": np.sort(np.r_[BORDERS, 0.5 + 0.3 * BORDERS]),
}
DEFAULT_BREAKS = np.sort(
    np.r_[-4.0, 5.0, (LOCS + np.outer([-4, 0, 4], SCALES)).ravel()]
)
FAMILY = ["normal", "student", "student-near-normal", "normals", "students", "bars"]
FAMILY += ["mixed-bars"]
BODY = [-4.1, -2.0, -0.8, 0.3, 0.9, 1.7, 2.3, 4.3]
FAR = [12.0, 40.0, 300.0, 700.0]  # 700 is 1000 standard deviations of "normal"


def integral(f, breaks, low=-np.inf) -> float:
    ends = [low, *(b for b in breaks if b > low), np.inf]
    pieces = zip(ends[:-1], ends[1:], strict=True)
    opts = {"epsabs": 1e-14, "epsrel": 1e-11, "limit": 400}
    return sum(quad(f, a, b, **opts)[0] for a, b in pieces)


def upper(name: str, y: float, order: int, sign: int = 1) -> float:
    """Log of the integral of (v - y)^order over v > y, of the density at sign * v."""
    log_pdf = logpdf_of(name)
    breaks = np.sort(sign * BREAKS.get(name, DEFAULT_BREAKS))
    if y < breaks[-1]:
        f = lambda v: (v - y) ** order * np.exp(log_pdf(sign * v))  # noqa: E731
        return np.log(integral(f, breaks, y))
    base, step = log_pdf(sign * y), 1e-4 * y
    unit = step / (base - log_pdf(sign * (y + step)))
    f = lambda w: w**order * np.exp(log_pdf(sign * (y + unit * w)) - base)  # noqa: E731
    return base + (order + 1) * np.log(unit) + np.log(integral(f, [1.0, 10.0], 0.0))


@pytest.mark.parametrize("name", FAMILY)
def test_density_and_moments_match_quadrature(name, x64):
    dist, log_pdf = make(name), logpdf_of(name)
    breaks = BREAKS.get(name, DEFAULT_BREAKS)
    for y in BODY + FAR:
        np.testing.assert_allclose(dist.log_prob(y), log_pdf(y), rtol=1e-10)
        np.testing.assert_allclose(dist.log_prob(-y), log_pdf(-y), rtol=1e-10)
    mean = integral(lambda y: y * np.exp(log_pdf(y)), breaks)
    var = integral(lambda y: (y - mean) ** 2 * np.exp(log_pdf(y)), breaks)
    np.testing.assert_allclose(dist.mean, mean, rtol=1e-7)
    np.testing.assert_allclose(dist.var, var, rtol=1e-6)


@pytest.mark.parametrize("name", FAMILY)
def test_entropy_matches_quadrature(name, x64):
    log_pdf = logpdf_of(name)
    want = integral(
        lambda y: -np.exp(log_pdf(y)) * log_pdf(y), BREAKS.get(name, DEFAULT_BREAKS)
    )
    np.testing.assert_allclose(make(name).entropy(), want, atol=1e-8)
    np.testing.assert_allclose(make(name, jnp.float32).entropy(), want, atol=1e-5)


@pytest.mark.parametrize("ratio", [1.0, 30.0, 1000.0])
@pytest.mark.parametrize("gap", [0.0, 2.5, 20.0])
def test_mixture_entropy_keeps_its_error_when_scales_differ(ratio, gap, x64):
    def pdf(y):
        return (stats.norm.pdf(y) + stats.norm.pdf(y, gap, 1 / ratio)) / 2

    points = np.r_[-9:10, gap + np.arange(-9, 10) / ratio, gap + 12]
    want = sum(
        quad(lambda y: special.entr(pdf(y)), a, b, epsabs=1e-13)[0]
        for a, b in zip(np.sort(points)[:-1], np.sort(points)[1:], strict=True)
    )
    for dtype, atol in ((jnp.float64, 1e-8), (jnp.float32, 1e-5)):
        loc, scale = jnp.asarray([0, gap], dtype), jnp.asarray([1, 1 / ratio], dtype)
        got = Mixture(jnp.zeros(2, dtype), Normal(loc, scale)).entropy()
        np.testing.assert_allclose(got, want, atol=atol)


@pytest.mark.parametrize("dtype, rtol", [("float64", 3e-9), ("float32", 1e-5)])
@pytest.mark.parametrize("name", FAMILY)
def test_tails_match_quadrature(name, dtype, rtol, x64):
    dist = make(name, dtype)
    for y in BODY + FAR:
        for got, sign in ((dist.log_sf(y), 1), (dist.log_cdf(-y), -1)):
            assert got.dtype == dtype
            np.testing.assert_allclose(got, upper(name, y, 0, sign), rtol, atol=rtol)
    np.testing.assert_allclose(
        dist.cdf(-2.0), np.exp(upper(name, 2.0, 0, -1)), rtol * 10
    )


@pytest.mark.parametrize("dtype, rtol", [("float64", 1e-8), ("float32", 5e-5)])
@pytest.mark.parametrize("name", FAMILY)
def test_tail_gradients_are_the_hazards(name, dtype, rtol, x64):
    dist, log_pdf = make(name, dtype), logpdf_of(name)
    for y in BODY + FAR:
        y32 = jnp.asarray(y, dtype)
        want = -np.exp(log_pdf(y) - upper(name, y, 0))
        np.testing.assert_allclose(jax.grad(dist.log_sf)(y32), want, rtol)
        want = np.exp(log_pdf(-y) - upper(name, y, 0, -1))
        np.testing.assert_allclose(jax.grad(dist.log_cdf)(-y32), want, rtol)


@pytest.mark.parametrize("dtype, rtol", [("float64", 1e-8), ("float32", 5e-5)])
@pytest.mark.parametrize("name", FAMILY)
def test_log_ei_and_its_gradient_match_quadrature(name, dtype, rtol, x64):
    value_and_grad = jax.value_and_grad(make(name, dtype).log_ei)
    for best in [-300.0, -20.0, *BODY, *FAR]:
        value, grad = value_and_grad(jnp.asarray(best, dtype))
        want = upper(name, best, 1)
        assert value.dtype == grad.dtype == dtype
        np.testing.assert_allclose(value, want, rtol, atol=rtol)
        np.testing.assert_allclose(grad, -np.exp(upper(name, best, 0) - want), rtol)


@pytest.mark.parametrize("name", FAMILY)
def test_gradients_in_every_field_match_finite_differences(name, x64):
    def loss(dist):
        terms = [dist.log_ei(1.1), dist.log_cdf(-6.0), dist.log_sf(7.0), dist.icdf(0.2)]
        return sum(terms) + dist.icdf(0.97) + dist.entropy() + dist.mean + dist.var

    check_grads(loss, (make(name),), order=1, modes=["rev"], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", FAMILY)
def test_float32_gradients_are_finite_to_a_thousand_deviations(name):
    dist = make(name, jnp.float32)
    for y in (-1e3, -31.0, 0.3, 31.0, 1e3):
        for f in ("log_ei", "log_cdf", "log_sf", "log_prob"):
            grads = jax.grad(lambda d, f=f, y=y: getattr(d, f)(y))(dist)
            assert all(np.isfinite(g).all() for g in jax.tree.leaves(grads)), (f, y)


@pytest.mark.parametrize("name", FAMILY)
def test_icdf_inverts_cdf(name, x64):
    dist = make(name)
    p = jnp.array([1e-12, 1e-5, 0.03, 0.2, 0.5, 0.77, 0.99, 1 - 1e-9])
    np.testing.assert_allclose(dist.cdf(dist.icdf(p)), p, rtol=1e-9)
    np.testing.assert_allclose(jnp.exp(dist.log_sf(dist.icdf(p))), 1 - p, rtol=1e-7)
    slope = jax.vmap(jax.grad(dist.icdf))(p)
    np.testing.assert_allclose(
        slope * jnp.exp(dist.log_prob(dist.icdf(p))), 1, rtol=1e-6
    )
    single = make(name, jnp.float32)
    p32 = p.astype(jnp.float32)[:-1]
    assert single.icdf(0.2).dtype == jnp.float32
    np.testing.assert_allclose(single.cdf(single.icdf(p32)), p32, rtol=3e-5)


def test_icdf_of_separated_components_is_finite(x64):
    dist = Mixture(jnp.zeros(2), Normal(jnp.array([-100.0, 100.0]), jnp.array(1.0)))
    value, grad = jax.value_and_grad(dist.icdf)(0.25)
    np.testing.assert_allclose(value, -100, atol=1e-9)
    np.testing.assert_allclose(grad, 2 * np.sqrt(2 * np.pi), rtol=1e-9)
    assert np.isfinite(jax.grad(dist.icdf)(0.5))


@pytest.mark.parametrize("name", FAMILY)
def test_samples_have_the_moments(name):
    dist, count = make(name, jnp.float32), 20_000
    draws = dist.sample(jax.random.key(0), (count,))
    assert draws.shape == (count,) and draws.dtype == jnp.float32
    error = np.sqrt(dist.var / count)
    np.testing.assert_allclose(draws.mean(), dist.mean, atol=4 * error)
    ranks = np.asarray(dist.cdf(draws), np.float64)
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
    dist, y, p = make(name), jnp.asarray(BODY), jnp.array([0.01, 0.4, 0.995])
    other, log = moved(dist, -2.0, 5.0), np.log(5.0)
    pairs = [
        (other.mean, -2 + 5 * dist.mean),
        (other.var, 25 * dist.var),
        (other.entropy(), dist.entropy() + log),
        (other.icdf(p), -2 + 5 * dist.icdf(p)),
        (other.log_prob(-2 + 5 * y), dist.log_prob(y) - log),
        (other.log_cdf(-2 + 5 * y), dist.log_cdf(y)),
        (other.log_sf(-2 + 5 * y), dist.log_sf(y)),
        (other.log_ei(-2 + 5 * y), dist.log_ei(y) + log),
    ]
    for got, want in pairs:
        np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", FAMILY)
def test_batches_agree_with_single_points_under_jit_and_vmap(name):
    single = make(name, jnp.float32)
    batch = jax.tree.map(lambda x: jnp.stack([x, x]), single)
    axes = jax.tree.map(lambda x: 0, single)
    for f in ("log_prob", "cdf", "log_cdf", "log_sf", "log_ei"):
        points = jnp.array([-0.7, 1.3])
        want = [getattr(single, f)(y) for y in points]
        call = jax.jit(jax.vmap(lambda d, y, f=f: getattr(d, f)(y), (axes, 0)))
        np.testing.assert_allclose(call(batch, points), want, rtol=2e-5, atol=1e-6)
        np.testing.assert_allclose(
            getattr(single, f)(points), want, rtol=2e-5, atol=1e-6
        )
    assert jax.jit(lambda d: d.sample(jax.random.key(1), (5,)))(single).shape == (5,)


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
    assert dist.mean.shape == dist.var.shape == dist.entropy().shape == (3, 2)
    assert dist.sample(jax.random.key(0), (7,)).shape == (7, 3, 2)
    for f in ("log_prob", "cdf", "log_cdf", "log_sf", "log_ei", "icdf"):
        for shape in ((), (2,), (3, 1), (4, 1, 1, 2)):
            out = getattr(dist, f)(jnp.full(shape, 0.4))
            assert out.shape == np.broadcast_shapes(shape, (3, 2)), (f, shape)


def test_mixture_draws_are_independent_across_the_batch():
    draws = batched("mixture").sample(jax.random.key(0), (100,)).reshape(100, 6)
    assert np.abs(np.corrcoef(draws.T) - np.eye(6)).max() < 0.4


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
    np.testing.assert_allclose(log_h(u), want, rtol=value, atol=10 * value)
    np.testing.assert_allclose(jax.vmap(jax.grad(log_h))(u), want_slope, rtol=slope)
    assert log_h(u).dtype == dtype


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
    for border in 0.5 + 2 * BORDERS[1:-1]:
        slope = jax.grad(lambda y: jnp.exp(dist.log_ei(y)))(border)
        np.testing.assert_allclose(slope, -np.exp(upper("bars", border, 0)), rtol=1e-9)


def test_bars_with_vanishing_outer_mass_stay_finite():
    dist = Bars(
        jnp.array([-300.0, 0.0, 0.0, -300.0]), jnp.asarray(BORDERS, jnp.float32)
    )
    p = jnp.array([1e-6, 0.5, 1 - 1e-6])
    out = [dist.icdf(p), dist.entropy(), dist.log_cdf(-9.0), dist.log_ei(9.0)]
    assert all(np.isfinite(x).all() for x in out)
    np.testing.assert_allclose(dist.icdf(p), [-1, 0, 1], atol=1e-5)


def test_student_needs_df_for_its_moments():
    dist = StudentT(jnp.array([0.9, 1.5, 3.0]), 1.0, 1.0)
    np.testing.assert_array_equal(np.isnan(dist.mean), [True, False, False])
    np.testing.assert_array_equal(np.isinf(dist.var), [True, True, False])
    np.testing.assert_array_equal(np.isinf(dist.log_ei(2.0)), [True, False, False])


@pytest.mark.parametrize("df", [1.1, 2.0, 30.0, 1e4, 1e6])
@pytest.mark.parametrize("dtype, rtol", [("float64", 1e-9), ("float32", 3e-5)])
def test_student_tail_for_any_df(df, dtype, rtol, x64):
    dist = StudentT(jnp.asarray(df, dtype), jnp.zeros((), dtype), jnp.ones((), dtype))
    for a in (0.0, 1e-3, 0.5, 3.0, 10.0):
        tail = stats.t.logsf(a, df)
        np.testing.assert_allclose(dist.log_sf(a), tail, rtol, atol=rtol)
        np.testing.assert_allclose(dist.log_cdf(a), stats.t.logcdf(a, df), rtol, rtol)
        gain = np.exp(stats.t.logpdf(a, df)) * (df + a * a) / (df - 1)
        gain = gain - a * np.exp(tail)
        if a < 10:  # the textbook form has lost its digits further out
            np.testing.assert_allclose(
                dist.log_ei(a), np.log(gain), rtol=1e-5, atol=3e-5
            )
    far = jnp.asarray(1000, dtype)
    assert np.isfinite(jax.grad(lambda d: d.log_ei(far))(dist).df)
