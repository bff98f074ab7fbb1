"""What every surrogate owes to those who use it, each in its cheapest form."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import burr12

import pfnbo
from pfnbo import (
    DKL,
    GP,
    HMC,
    MLP,
    NNGP,
    NUTS,
    SAAS,
    SGHMC,
    Cascade,
    Ensemble,
    Laplace,
    NeuralLinear,
    Recalibrated,
    ScaleMixture,
    SparseVI,
    TProcess,
    calibration,
)
from pfnbo.acquisition.improvement import ACQUISITIONS, Goal
from pfnbo.acquisition.knowledge import Rivals, kg
from pfnbo.acquisition.noisy import goals, nei
from pfnbo.acquisition.thompson import thompson
from pfnbo.data import Data, pad

NET = MLP((8,))
SURROGATES = {
    "gp": GP(steps=20),
    "nngp": NNGP(steps=20),
    "tprocess": TProcess(GP(steps=20, warp=False)),
    "scale_mixture": ScaleMixture(burr12(2, 1), NNGP(steps=20), draws=200),
    "dkl": DKL(NET, GP(steps=20, warp=False, additive=False), folds=2, steps=20),
    "laplace": Laplace(NET),
    # Without doubt about the features it takes noise to be honest.
    "last_layer": Laplace(NET, last_layer=True, noise=0.2),
    "neural_linear": NeuralLinear(NET, noise=0.2, steps=60),
    "ensemble": Ensemble(8, NET, steps=12),
    "cascade": Cascade(Ensemble(8, NET, steps=12), 4),
    "hmc": HMC(NET, chains=2, warmup=40, draws=40, kept=16, leapfrogs=20),
    "saas": SAAS(nuts=NUTS(warmup=60, draws=40, kept=8, depth=4)),
    "sparse": SparseVI(NET, 0.7, draws=16, steps=600),
    "recalibrated": Recalibrated(Laplace(NET), "isotonic", folds=3),
    "sghmc": SGHMC(NET, chains=2, warmup=300, draws=300, kept=16),
}
pytestmark = pytest.mark.filterwarnings(
    "ignore:R-hat is", "ignore:.*trajectories diverged", "ignore:only .* draws of the"
)
KEY, SIZE, D = jax.random.key(0), 16, 2
RNG = np.random.default_rng(0)
X = RNG.uniform(size=(10, D))
NEW = RNG.uniform(size=(30, D))


def _smooth(x):
    return np.stack([np.sin(3 * x[:, 0]) + x[:, 1], 1.5 * x[:, 0] - x[:, 1]])


MEAN, SD = _smooth(NEW).mean(1)[:, None], _smooth(NEW).std(1)[:, None]
Y = (_smooth(X) - MEAN) / SD


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


@pytest.fixture(scope="module", params=SURROGATES)
def model(request):
    return SURROGATES[request.param]


@pytest.fixture(scope="module")
def posterior(model):
    with jax.enable_x64(True):
        return model.fit(KEY, pad(X, Y, SIZE))


@jax.jit
def _moments(posterior, x):
    def one(row):
        at = posterior.observe(row)
        return at.mean, at.var, at.log_ei(3.0)

    return jax.vmap(one)(x)


def _finite(posterior):
    moments = _moments(posterior, jnp.asarray(NEW[:4]))
    return all(np.isfinite(np.asarray(part)).all() for part in moments)


def test_degenerate_data_gives_finite_predictions(model):
    ties = np.repeat(X[:1], 6, 0), np.tile(Y[:, :3], 2)
    constant, unknown = (X, np.zeros_like(Y)), (X, np.full_like(Y, np.nan))
    for x, y in ((X[:1], np.zeros((2, 1))), ties, constant, unknown):
        posterior = model.fit(KEY, pad(x, y, SIZE))
        assert _finite(posterior)
        for part in (posterior.fitted, posterior.noise, posterior.length_scales):
            assert np.isfinite(np.asarray(part)).all()


def test_the_same_key_gives_the_same_answer(model, posterior):
    again = model.fit(KEY, pad(X, Y, SIZE))
    for a, b in zip(_moments(posterior, NEW), _moments(again, NEW), strict=True):
        np.testing.assert_array_equal(a, b)


def test_it_predicts_better_than_the_marginal(posterior):
    y = (_smooth(NEW) - MEAN) / SD
    for output in (0, 1):
        told = calibration.report(posterior, NEW, y[output], output=output)
        assert told.nll < 0.5 * np.log(2 * np.pi * np.e) - 0.4
        assert 0 < told.crps < 0.5 and told.sharpness > 0


def test_it_interpolates_and_doubts_elsewhere(posterior):
    values = np.asarray(posterior.fitted)[:, : len(X)]
    assert np.sqrt(np.mean((values - Y) ** 2)) < 0.25
    _, near, _ = _moments(posterior, X)
    _, far, _ = _moments(posterior, np.array([[0.0, 1.0], [1.0, 0.0]]))
    assert np.all(np.mean(near, 0) < np.mean(far, 0) + 1e-9)


def test_columns_and_rows_may_be_permuted(model, posterior):
    rows = RNG.permutation(len(X))
    flipped = model.fit(KEY, pad(X[rows][:, ::-1], Y[:, rows], SIZE))
    mean, var, _ = _moments(posterior, NEW)
    other, _, _ = _moments(flipped, np.ascontiguousarray(NEW[:, ::-1]))
    # Sampled models have other random numbers for each row and column.
    gap = np.abs(np.asarray(mean - other)) / np.sqrt(np.asarray(var) + 0.01)
    assert np.median(gap) < 1


def test_shift_and_scale_move_the_predictions(model, posterior):
    moved = model.fit(KEY, pad(X, 1.2 * Y + 0.1, SIZE))
    mean, var, _ = _moments(posterior, NEW)
    other, _, _ = _moments(moved, NEW)
    gap = np.abs(np.asarray(1.2 * mean + 0.1 - other)) / np.sqrt(np.asarray(var) + 0.01)
    assert np.median(gap) < 0.5


def test_outputs_are_independent(model, posterior):
    swapped = model.fit(KEY, pad(X, Y[::-1], SIZE))
    mean, var, _ = _moments(posterior, NEW)
    other, _, _ = _moments(swapped, NEW)
    gap = np.abs(np.asarray(mean - other[:, ::-1])) / np.sqrt(np.asarray(var) + 0.01)
    assert np.median(gap) < 1


def test_conditioning_moves_the_mean_and_shrinks_the_doubt(posterior):
    new = np.array([[0.02, 0.98]])
    mean, var, _ = (np.asarray(part)[0] for part in _moments(posterior, new))
    y = np.concatenate([Y, (mean + np.sqrt(var))[:, None]], 1)
    more = posterior.condition(pad(np.concatenate([X, new]), y, SIZE))
    after, less, _ = (np.asarray(part)[0] for part in _moments(more, new))
    assert np.all(after > mean - 1e-9) and np.all(less <= var * 1.05)
    assert np.all(np.asarray(more.seen).sum(1) == len(X) + 1)


def test_conditioning_on_what_it_knows_changes_nothing(posterior):
    same = posterior.condition(pad(X, Y, SIZE))
    for a, b in zip(_moments(posterior, NEW), _moments(same, NEW), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)


def test_what_claims_to_condition_exactly_needs_no_order(model):
    if not getattr(model, "exact", False):
        pytest.skip("it is fitted anew after every observation")
    first = model.fit(KEY, pad(X[:5], Y[:, :5], SIZE))
    every = pad(X, Y, SIZE)
    once = first.condition(every)
    twice = first.condition(pad(X[:8], Y[:, :8], SIZE)).condition(every)
    (mean, var, _), (other, its, _) = (_moments(at, NEW) for at in (once, twice))
    # Particles lose some of their number on the way.
    few = hasattr(first, "log_weight")
    assert np.max(np.abs(mean - other) / np.sqrt(var)) < (0.3 if few else 1e-6)
    assert np.max(np.abs(np.log(var / its))) < (1.5 if few else 1e-6)
    misses = np.asarray(once.fitted)[:, : len(X)] - Y
    assert np.sqrt(np.mean(misses**2)) < 0.25


def test_joint_draws_agree_with_the_marginals(posterior):
    x = jnp.asarray(NEW[:3])
    draws = np.asarray(posterior.sample(KEY, x, 400))
    assert draws.shape == (400, 2, 3)
    at = jax.vmap(posterior.predict, out_axes=1)(x)
    sd = np.sqrt(np.asarray(at.var)) + 1e-9
    assert np.all(np.abs(draws.mean(0) - np.asarray(at.mean)) < 0.3 * sd)
    np.testing.assert_allclose(draws.std(0), sd, rtol=0.35)
    cov = np.asarray(posterior.covariance(x, x))
    unit = np.einsum("oi,oj,oij->oij", 1 / sd, 1 / sd, cov)
    drawn = np.stack([np.corrcoef(draws[:, output].T) for output in range(2)])
    np.testing.assert_allclose(unit, drawn, atol=0.35)


def test_every_acquisition_scores_it_with_finite_slopes(posterior):
    thresholds = jnp.asarray([0.1])
    goal = Goal(jnp.asarray(1.0), jnp.asarray(True), thresholds)
    path = posterior.path(KEY)
    draws = posterior.noise_free(KEY, 8, 1e-4)
    assert draws.values.shape == (8, 2, SIZE)
    usable = jnp.arange(SIZE) < len(X)
    scores = [lambda x, fn=fn: fn(goal, posterior, x) for fn in ACQUISITIONS.values()]
    scores.append(lambda x: nei(goals(draws, thresholds, usable), draws, x))
    scores.append(lambda x: thompson(goal, path, x))
    rivals = Rivals(posterior.x, posterior.means(posterior.x)[0])
    scores.append(lambda x: kg(goal, posterior, rivals, x))
    whole = jax.jit(lambda x: [jax.value_and_grad(s)(x) for s in scores])
    for x in (X[0], NEW[0], np.zeros(D)):
        assert all(np.isfinite(np.asarray(a)).all() for a in jax.tree.leaves(whole(x)))


def test_a_bucket_is_compiled_once(posterior, model):
    before = _moments._cache_size()
    other = model.fit(KEY, pad(X[:7], Y[:, :7], SIZE))
    _moments(other, NEW)
    _moments(posterior, NEW)
    assert _moments._cache_size() <= max(before, 1) + 1
    after = _moments._cache_size()
    _moments(model.fit(KEY, pad(X[:5], Y[:, :5], SIZE)), NEW)
    assert _moments._cache_size() == after


def test_unseen_rows_change_nothing(posterior, model):
    data = pad(X, Y, SIZE)
    x = np.where(np.arange(SIZE)[:, None] < len(X), data.x, 0.1)
    other = model.fit(KEY, Data(x, data.y, data.seen))  # type: ignore[arg-type]
    for a, b in zip(_moments(posterior, NEW), _moments(other, NEW), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    "name, acquisition",
    [
        ("ensemble", "nei"),
        ("cascade", "thompson"),
        ("cascade", "ei"),
        ("laplace", "nei"),
    ],
)
def test_it_optimizes_under_constraints_and_in_batches(name, acquisition):
    space = {"x": (0.0, 1.0), "y": (0.0, 1.0)}
    if acquisition != "ei":  # of a box, another search
        space["kind"] = pfnbo.Categorical(["round", "square"])

    def fn(p):
        return (p["x"] - 0.3) ** 2 + (p.get("kind") == "round"), 0.2 - p["y"]

    with jax.enable_x64(False):
        result = pfnbo.optimize(
            fn,
            space,
            n_trials=8,
            n_constraints=1,
            n_initial=6,
            seed=0,
            surrogate=SURROGATES[name],
            acquisition=acquisition,
            batch_size=2,
        )
    assert result.success and result.nfev == 8
