from dataclasses import replace

import jax
import numpy as np
import pytest

from pfnbo import checkpoint, recipe
from pfnbo.data import pad
from pfnbo.errors import CheckpointError, SettingError
from pfnbo.evaluate import judge, tasks
from pfnbo.optimize import optimize
from pfnbo.pfn.kernel_head import Config
from pfnbo.pfn.models import described
from pfnbo.pfn.network import taken_apart
from pfnbo.surrogates.gp import GP, GPPosterior
from pfnbo.surrogates.particles import ParticlePosterior
from pfnbo.surrogates.pfn import PFN, _facts, _networks

SMALL = Config(4, 2, cell_width=8, cell_blocks=1, width=16, heads=2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("nets") / "untrained"
    params = taken_apart(SMALL.build(jax.random.key(0)))[1]
    config = {
        "model": described(SMALL),
        "sizes": {"capacity": 64, "queries": 32, "columns": 8},
        "tasks_seen": 0,
    }
    checkpoint.save(path, params, config)
    return path


@pytest.fixture
def trusted(monkeypatch):
    """A network predicts even where a GP would do so better, as untrained ones do."""
    monkeypatch.setattr("pfnbo.surrogates.pfn.BETTER", np.inf)


@pytest.fixture(scope="module")
def posterior(folder):
    random = np.random.default_rng(0)
    x = random.random((20, 2))
    y = np.stack([np.sin(6 * x[:, 0]), x[:, 1] - 0.5])
    with jax.enable_x64(True):
        return PFN(folder, kept=2).fit(jax.random.key(0), pad(x, y, 32))


def test_each_output_is_a_mixture_that_passes_through_its_data(posterior):
    with jax.enable_x64(True):
        at = jax.vmap(posterior.predict)(posterior.x[:20])
        mean, sd = np.asarray(at.mean).T, np.sqrt(np.asarray(at.var)).T
        y, fitted = np.asarray(posterior.y), np.asarray(posterior.fitted)
    assert mean.shape == (2, 20)
    assert np.all(np.abs(mean - y[:, :20]) < 4 * sd + 0.2)
    np.testing.assert_allclose(fitted[:, :20], mean, atol=1e-6)


def test_a_network_that_its_configuration_does_not_describe_is_refused(
    folder, tmp_path
):
    loaded = checkpoint.load(folder)
    x = np.random.default_rng(0).random((9, 2))
    data = pad(x, x[None, :, 0], 32)

    def fit(path, **changed):
        checkpoint.save(path, loaded.params, {**loaded.config, **changed})
        return PFN(path).fit(jax.random.key(0), data)

    wider = described(replace(SMALL, width=32))
    with pytest.raises(CheckpointError, match="of shape"):
        fit(tmp_path / "wide", model=wider)
    with pytest.raises(CheckpointError, match="'capacity'"):
        fit(tmp_path / "sizes", sizes={"n": 64})


def test_a_network_that_is_trained_further_is_loaded_again(folder, tmp_path):
    loaded, path = checkpoint.load(folder), tmp_path / "net"
    checkpoint.save(path, loaded.params, loaded.config)

    def served():
        return _networks(path, _facts(path)["params"]["sha256"])[0][1]

    before = served()
    checkpoint.save(path, jax.tree.map(lambda a: 2 * a, before), loaded.config)
    pairs = zip(*map(jax.tree.leaves, (before, served())), strict=True)
    assert all(np.array_equal(2 * a, b) for a, b in pairs)


def test_weights_are_normalised_and_sorted(posterior):
    weight = np.exp(posterior.log_weight)
    np.testing.assert_allclose(weight.sum(1), 1)
    assert np.all(weight[:, 0] >= weight[:, 1])


def test_means_are_those_of_the_marginals(posterior):
    x = np.random.default_rng(1).random((7, 2))
    with jax.enable_x64(True):
        marginal = jax.vmap(posterior.predict)(x).mean
        np.testing.assert_allclose(posterior.means(x), marginal.T, atol=1e-9)


def test_paths_have_the_moments_of_the_mixture(posterior):
    x = np.array([0.31, 0.62])
    with jax.enable_x64(True):
        keys = jax.random.split(jax.random.key(0), 2000)
        draws = np.asarray(jax.jit(jax.vmap(lambda k: posterior.path(k)(x)))(keys))
        at = posterior.predict(x)
        mean, sd = np.asarray(at.mean), np.sqrt(np.asarray(at.var))
    np.testing.assert_allclose(np.mean(draws, 0), mean, atol=0.1 * sd.max())
    np.testing.assert_allclose(np.std(draws, 0), sd, rtol=0.08)


@pytest.mark.parametrize("acquisition", ["ei", "nei", "thompson"])
def test_it_serves_every_acquisition(folder, trusted, acquisition):
    result = optimize(
        lambda x: (float((x[0] - 0.3) ** 2), float(0.2 - x[1])),
        [(0, 1), (0, 1)],
        n_trials=9,
        n_constraints=1,
        n_initial=6,
        seed=0,
        surrogate=PFN(folder, kept=2),
        acquisition=acquisition,
        batch_size=2,
        progress=False,
    )
    assert result.success and result.nfev == 9
    assert result.surrogate == f"PFN({str(folder)!r})"


def test_shipped_networks_belong_to_recipes():
    assert set(checkpoint.names()) <= set(recipe.names())


def test_the_network_of_the_fixed_prior_is_near_the_exact_posterior():
    fixed = recipe.load_recipe("gp_fixed")
    batch = tasks(fixed, 32, 12, seed=3)
    with jax.enable_x64(True):
        gap, _ = judge(PFN("gp_fixed"), batch)
        blind, _ = judge(GP(noise=3.0), batch)
    assert -1e-6 < gap.mean() < 0.03 < 0.2 < blind.mean()


PROOFS = {"gp_fixed", "bnn_fixed"}  # each knows one distribution, in its own units


@pytest.mark.parametrize("name", sorted(checkpoint.names().keys() - PROOFS))
def test_a_shipped_network_predicts(name):
    x = np.random.default_rng(0).random((28, 3))
    y = (x[:, 0] - 0.3) ** 2 + 0.2 * x[:, 1]
    y = (y - y.mean()) / y.std()
    with jax.enable_x64(True):
        posterior = PFN(name).fit(jax.random.key(0), pad(x[:20], y[None, :20], 32))
        error = np.asarray(posterior.means(x[20:]))[0] - y[20:]
        few = PFN(name).fit(jax.random.key(0), pad(x[:8], y[None, :8], 32))
        at = jax.vmap(few.predict)(x[20:])
        mean, sd = np.asarray(at.mean)[:, 0], np.sqrt(np.asarray(at.var))[:, 0]
    assert np.abs(error).max() < 0.2 * np.ptp(y)
    assert np.all(np.abs(mean - y[20:]) < 3 * sd)


def test_far_beyond_its_training_a_gp_predicts_and_the_result_says_so(folder, trusted):
    x = np.random.default_rng(0).random((9, 17))
    with jax.enable_x64(True):
        data = pad(x, np.sin(5 * x[None, :, 0]), 32)
        wide = PFN(folder).fit(jax.random.key(0), data)
        alone = GP().fit(jax.random.key(0), data)
        np.testing.assert_array_equal(wide.theta, alone.theta)
    many = np.random.default_rng(0).random((129, 1))
    with jax.enable_x64(True):
        padded = pad(many[:100], np.sin(5 * many[None, :100, 0]), 256)
        assert PFN(folder).fit(jax.random.key(0), padded).log_weight.shape[0] == 1
        longer = PFN(folder).fit(jax.random.key(0), pad(many, many.T, 256))
    assert isinstance(longer, GPPosterior)
    assert PFN(folder).told(9, 16) == f"PFN({str(folder)!r})"
    assert "17 columns, it was trained on up to 8" in PFN(folder).told(9, 17)
    assert "129 rows, it was trained on up to 64" in PFN(folder).told(129, 2)
    assert GP().told(9, 9) == "GP('matern52')"


def test_a_gp_that_predicts_left_out_rows_better_predicts_alone(folder, monkeypatch):
    x = np.random.default_rng(0).random((9, 2))
    model = PFN(folder, kept=2)
    with jax.enable_x64(True):
        data = pad(x, np.sin(5 * x[None, :, 0]), 32)
        mixed, alone = (m.fit(jax.random.key(0), data) for m in (model, GP()))
        monkeypatch.setattr("pfnbo.surrogates.pfn.BETTER", -np.inf)
        fallen = model.fit(jax.random.key(0), data)
    assert isinstance(mixed, ParticlePosterior)
    np.testing.assert_array_equal(fallen.theta, alone.theta)
    told = "left-out rows worse, so a GP predicts"
    assert told in model.told(9, 2, fallen) and told not in model.told(9, 2, mixed)


def test_shipped_networks_are_small():
    files = [checkpoint.find(name) for name in checkpoint.names()]
    sizes = [f.stat().st_size for folder in files for f in folder.iterdir()]
    assert sum(sizes) < 20e6


def test_all_particles_are_kept_when_more_are_asked_for(folder, trusted):
    x = np.random.default_rng(0).random((9, 2))
    with jax.enable_x64(True):
        data = pad(x, np.sin(5 * x[None, :, 0]), 32)
        fitted = PFN(folder, kept=100).fit(jax.random.key(0), data)
        alone = PFN(folder, kept=100, gp=None).fit(jax.random.key(0), data)
    assert fitted.log_weight.shape == (1, 2 * SMALL.particles + 1)
    assert alone.log_weight.shape == (1, 2 * SMALL.particles)


def test_none_kept_is_refused():
    with pytest.raises(SettingError, match="at least 1"):
        PFN(kept=0)
