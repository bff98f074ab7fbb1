"""Simulation-based calibration: what is drawn from a prior is found again.

The rank of a true value among draws from its posterior is uniform (Talts et al. 2018,
arXiv 1804.06788). Simulations are outputs, so that all are fitted together.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from pfnbo import GP, HMC, MLP, NUTS, FullyBayesianGP
from pfnbo.data import pad
from pfnbo.kernel import gram, start

N, SIMULATIONS, DRAWS, BINS = 6, 120, 19, 5
X = np.linspace(0.05, 0.95, N)[:, None]
NOISE = 0.3
RNG = np.random.default_rng(0)
pytestmark = pytest.mark.filterwarnings("ignore:R-hat is", "ignore:.*diverged")


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


def _are_uniform(truth, draws):
    """Check ranks of values (simulations,) among draws (simulations, DRAWS)."""
    ranks = np.sum(draws < truth[:, None], 1)
    count = np.bincount(ranks * BINS // (DRAWS + 1), minlength=BINS)
    _, p = stats.chisquare(count)
    assert p > 1e-3, count
    # Draws that are too narrow would be noticed.
    centre = draws.mean(1, keepdims=True)
    narrow = np.sum(centre + 0.4 * (draws - centre) < truth[:, None], 1)
    count = np.bincount(narrow * BINS // (DRAWS + 1), minlength=BINS)
    assert stats.chisquare(count)[1] < 1e-3


def test_hyper_parameters_of_a_process():
    pytest.importorskip("numpyro")
    model = GP("rbf", noise=NOISE, additive=False, warp=False)
    low, high = model.box(1)
    first = start(1, 0.3, NOISE**2)
    ys, truth = [], []
    while len(ys) < SIMULATIONS:
        theta = first.copy()  # a length-scale and a signal from their priors
        theta[0] += RNG.normal()
        theta[-2] = 2 * RNG.normal()
        theta[-1] = low[-1]
        if np.all((low <= theta) & (theta <= high)):
            k = np.asarray(gram(jnp.asarray(theta), X, np.ones(N, bool), "rbf"))
            ys.append(np.linalg.cholesky(k) @ RNG.normal(size=N))
            truth.append(theta)
    chains = NUTS(warmup=100, draws=95, kept=DRAWS, depth=4)
    data = pad(X, np.stack(ys), 8)
    fitted = FullyBayesianGP(model, chains).fit(jax.random.key(0), data)
    theta = np.asarray(fitted.members.theta).reshape(SIMULATIONS, DRAWS, -1)
    for at in (0, -2):
        _are_uniform(np.stack(truth)[:, at], theta[:, :, at])


def test_values_of_a_network():
    network = MLP((3,))
    size = network.size(1)
    place = np.array([[0.3]])

    def values(params, x):
        return jax.vmap(jax.vmap(network, (None, 0)), (0, None))(params, x)

    true = RNG.normal(size=(SIMULATIONS, size))
    f, wanted = (np.asarray(jax.jit(values)(true, x)) for x in (X, place))
    y = f + NOISE * RNG.normal(size=f.shape)
    model = HMC(
        network, NOISE, chains=2, warmup=150, draws=190, kept=DRAWS, leapfrogs=15
    )
    fitted = model.fit(jax.random.key(0), pad(X, y, 8))
    draws = np.asarray(fitted.values(jnp.asarray(place[0])))
    _are_uniform(wanted[:, 0], draws)
