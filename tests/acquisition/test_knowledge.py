import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pfnbo
from pfnbo import GP, MLP, NNGP, PFN, Ensemble, Laplace, SettingError, TProcess
from pfnbo.acquisition.improvement import Goal, ei
from pfnbo.acquisition.knowledge import Rivals, kg, log_gain
from pfnbo.data import pad
from pfnbo.surrogates.members import posterior_of

D, N, SIZE = 2, 8, 16
KEY = jax.random.key(0)
RNG = np.random.default_rng(0)
X = RNG.uniform(size=(N, D))
Y = np.sin(5 * X[:, 0]) + X[:, 1]
Y = (Y - Y.mean()) / Y.std()
Z = np.linspace(-9, 9, 200_001)
WEIGHT = np.exp(-Z * Z / 2) / np.sqrt(2 * np.pi) * (Z[1] - Z[0])
NONE = np.zeros(0)


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


def _by_quadrature(a, b):
    return np.max(a[:, None] + b[:, None] * Z[None], 0) @ WEIGHT - a.max()


def _lines(kind):
    a, b = RNG.normal(size=12), RNG.normal(size=12)
    if kind == "twins":
        b[3:6] = b[0]
    elif kind == "equal":
        a[4], b[4] = a[0], b[0]
    elif kind == "one point":
        a = 0.3 - 0.7 * b  # all lines meet
    elif kind == "unlikely":
        a, b = np.array([0.0, -4.0]), np.array([0.1, 1.0])
    return a, b


@pytest.mark.parametrize("kind", ["", "twins", "equal", "one point", "unlikely"])
def test_the_expected_highest_line_is_that_of_quadrature(kind):
    a, b = _lines(kind)
    gain = float(jnp.exp(log_gain(jnp.asarray(a), jnp.asarray(b))))
    assert gain == pytest.approx(_by_quadrature(a, b), rel=1e-5)
    more = jnp.append(jnp.asarray(a), -jnp.inf), jnp.append(jnp.asarray(b), 50.0)
    assert float(jnp.exp(log_gain(*more))) == pytest.approx(gain)
    order = RNG.permutation(len(a))
    shuffled = log_gain(jnp.asarray(a[order] + 3), jnp.asarray(b[order]))
    assert float(jnp.exp(shuffled)) == pytest.approx(gain)


def test_parallel_lines_promise_nothing():
    assert float(log_gain(jnp.asarray([0.0, 1.0, 1.0]), jnp.ones(3))) == -np.inf


PLAIN = GP(noise=0.3, additive=False, warp=False)
EXACT = {
    "gp": PLAIN,
    "tprocess": TProcess(PLAIN, shape=1.0),
    "nngp": NNGP(noise=0.3, steps=20),
    "laplace": Laplace(MLP((8,)), noise=0.3),
}


def _fit(model):
    return model.fit(KEY, pad(X, Y[None], SIZE))


@pytest.fixture(scope="module")
def posterior():
    with jax.enable_x64(True):
        return _fit(PLAIN)


def _rivals(posterior, x):
    x = jnp.asarray(x)
    return Rivals(x, posterior.means(x)[0])


GOAL = Goal(jnp.asarray(0.0), jnp.asarray(True), jnp.asarray(NONE))


@pytest.mark.parametrize("name", EXACT)
def test_it_is_the_mean_over_fantasies(name):
    posterior = _fit(EXACT[name])
    points = np.concatenate([X, RNG.uniform(size=(6, D))])
    rivals, x = _rivals(posterior, points), np.array([0.35, 0.95])
    told = float(jnp.exp(kg(GOAL, posterior, rivals, jnp.asarray(x))))
    whole = jnp.asarray(np.append(points, x[None], 0))

    @jax.jit
    def best(y):
        values = jnp.asarray(np.append(Y, 0)).at[-1].set(y)
        data = pad(np.append(X, x[None], 0), np.append(Y, 0)[None], SIZE)
        values = jnp.zeros(SIZE).at[: N + 1].set(values)[None]
        after = posterior.condition(pfnbo.data.Data(data.x, values, data.seen))
        return jnp.max(after.means(whole)[0])

    at = posterior.observe(jnp.asarray(x))
    y = at.mean[0] + jnp.sqrt(at.var[0]) * 25 * jnp.linspace(-1, 1, 801) ** 3
    values = jax.lax.map(best, y, batch_size=200)
    weight = np.exp(at.log_prob(y[:, None])[:, 0]) * np.gradient(y)
    gain = values - jnp.max(posterior.means(whole)[0])
    assert told == pytest.approx(float(gain @ weight) / weight.sum(), rel=1e-3)


def test_many_functions_promise_what_their_exact_posterior_does():
    network, noise = MLP(()), 0.3
    exact = _fit(Laplace(network, noise=noise, scale=1.0))
    draws = RNG.normal(size=(20, 3))
    draws = draws - draws.mean(0)  # of unit covariance, too
    draws = draws @ np.linalg.inv(np.linalg.cholesky(draws.T @ draws / 20)).T
    root = exact.slopes[0] / noise
    cov = jnp.linalg.inv(jnp.eye(3) + root.T @ root)
    mean = cov @ root.T @ (exact.y[0] / noise)
    params = mean[None] + draws @ jnp.linalg.cholesky(cov).T
    data = pad(X, Y[None], SIZE)
    noises = np.full((1, len(draws)), noise**2)
    many = posterior_of(data, params[None], noises, network)
    x = jnp.asarray([0.35, 0.95])
    told = [float(kg(GOAL, p, _rivals(p, X), x)) for p in (exact, many)]
    assert told[0] == pytest.approx(told[1], abs=1e-4)


def test_without_noise_and_rivals_but_the_best_it_is_expected_improvement():
    quiet = GP(noise=0.0, additive=False, warp=False).fit(KEY, pad(X, Y[None], SIZE))
    top = int(np.argmax(Y))
    rivals = _rivals(quiet, X[top : top + 1])
    goal = Goal(rivals.mean[0], jnp.asarray(True), jnp.asarray(NONE))
    for x in jnp.asarray(RNG.uniform(size=(3, D))):
        wanted = ei(goal, quiet, x)
        at = quiet.predict(x)
        # The rise is counted from the best mean, which may be that of the point.
        gain = jnp.exp(kg(goal, quiet, rivals, x))
        over = jnp.maximum(at.mean[0] - rivals.mean[0], 0)
        assert float(gain) == pytest.approx(float(jnp.exp(wanted) - over), rel=1e-3)


def test_slopes_are_those_of_differences(posterior):
    rivals = _rivals(posterior, X)
    score = jax.jit(jax.value_and_grad(lambda x: kg(GOAL, posterior, rivals, x)))
    x, step = jnp.asarray([0.6, 0.3]), 1e-5
    _, slope = score(x)
    for i in range(D):
        move = jnp.zeros(D).at[i].set(step)
        rise = (score(x + move)[0] - score(x - move)[0]) / (2 * step)
        assert float(slope[i]) == pytest.approx(float(rise), rel=1e-4, abs=1e-6)
    at_data = score(jnp.asarray(X[0]))
    assert all(np.isfinite(np.asarray(a)).all() for a in at_data)


@pytest.mark.parametrize("model", [None, Ensemble(8, MLP((8,)), steps=12)])
def test_it_optimizes_under_constraints_and_noise(model):
    noise = np.random.default_rng(0)
    with jax.enable_x64(False):
        result = pfnbo.optimize(
            lambda x: ((x[0] - 0.3) ** 2 + 0.02 * noise.normal(), 0.2 - x[1]),
            [(0, 1), (0, 1)],
            n_trials=9,
            n_constraints=1,
            n_initial=6,
            seed=0,
            acquisition="kg",
            batch_size=2,
            surrogate=model,
        )
    assert result.success and result.nfev == 9


def test_a_model_without_covariances_is_refused():
    with pytest.raises(SettingError, match="GP"):
        pfnbo.optimize(
            lambda x: x[0],
            [(0, 1)],
            n_trials=6,
            n_initial=5,
            surrogate=PFN("gp_fixed"),
            acquisition="kg",
        )
