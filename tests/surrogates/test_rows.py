import jax
import numpy as np
import pytest

from pfnbo import checkpoint
from pfnbo.data import Data, pad
from pfnbo.errors import CheckpointError, PretrainError, SettingError
from pfnbo.optimize import optimize
from pfnbo.pfn import anchored, kernel_head, row_token
from pfnbo.pfn.models import configured, described
from pfnbo.pfn.network import put_together, structure, taken_apart
from pfnbo.surrogates.pfn import PFN

ROW = row_token.Config(width=16, layers=1, heads=2, cell_width=8, components=2)
KERNEL = kernel_head.Config(3, 1, cell_width=8, cell_blocks=1, width=16, heads=2)
SIZES = {"capacity": 64, "queries": 32, "columns": 3}
CONFIGS = {"row_token": ROW, "anchored": anchored.Config(KERNEL, ROW)}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    made = {}
    for name, config in CONFIGS.items():
        made[name] = tmp_path_factory.mktemp("nets") / name
        params = taken_apart(config.build(jax.random.key(0)))[1]
        if name == "row_token":  # an untrained one says the same of all points
            params = jax.tree.map(lambda a: a + 0.1, params)
        about = {"model": described(config), "sizes": SIZES, "tasks_seen": 0}
        checkpoint.save(made[name], params, about)
    return made


@pytest.fixture(scope="module")
def data():
    random = np.random.default_rng(0)
    x = random.random((12, 2))
    with jax.enable_x64(True):
        return pad(x, np.stack([np.sin(6 * x[:, 0]), x[:, 1] - 0.5]), 16)


@pytest.fixture(scope="module", params=sorted(CONFIGS))
def model(request, folders):
    return PFN(folders[request.param])


def moments(posterior, x):
    with jax.enable_x64(True):
        at = jax.jit(jax.vmap(posterior.predict))(x)
        return np.asarray(at.mean), np.asarray(at.var)


def test_it_says_what_the_network_says(folders, data):
    model = PFN(folders["row_token"])
    x = np.random.default_rng(1).random((5, 2))
    with jax.enable_x64(True):
        posterior = model.fit(jax.random.key(0), data)
        network = put_together(structure(ROW), checkpoint.load(model.name).params)
        columns = np.ones(2, bool)
        wanted = [
            np.asarray(network(data.x, y, seen, columns, x).mean)
            for y, seen in zip(data.y, data.seen, strict=True)
        ]
    np.testing.assert_allclose(moments(posterior, x)[0].T, wanted, atol=1e-5)


def test_an_untrained_correction_changes_little(folders, data):
    x = np.random.default_rng(1).random((5, 2))
    with jax.enable_x64(True):
        posterior = PFN(folders["anchored"]).fit(jax.random.key(0), data)
    mean, var = moments(posterior, x)
    with jax.enable_x64(True):
        at = jax.vmap(posterior.anchor.observe)(x)
        anchor = np.asarray(at.mean), np.asarray(at.var)
    assert np.all(np.abs(mean - anchor[0]) < 0.02 * np.sqrt(anchor[1]))
    np.testing.assert_allclose(var, anchor[1], rtol=0.05)


def test_conditioning_is_a_fit_of_the_context_alone(model, data):
    x = np.random.default_rng(1).random((5, 2))
    with jax.enable_x64(True):
        posterior = model.fit(jax.random.key(0), data)
        seen = np.asarray(data.seen) & (np.arange(16) < 8)
        fewer = Data(data.x, data.y * seen, seen)
        less = posterior.condition(fewer)
        # Weights of an anchor's particles that were kept from one are not given back.
        again = (less if posterior.anchor is None else posterior).condition(data)
    np.testing.assert_allclose(moments(again, x), moments(posterior, x), rtol=1e-5)
    assert np.abs(moments(less, x)[0] - moments(posterior, x)[0]).max() > 1e-4


def test_it_optimizes_under_constraints_and_in_batches(model):
    result = optimize(
        lambda x: (float((x[0] - 0.3) ** 2), float(0.2 - x[1])),
        [(0, 1), (0, 1)],
        n_trials=9,
        n_constraints=1,
        n_initial=6,
        seed=0,
        surrogate=model,
        acquisition="ei",
        batch_size=2,
        progress=False,
    )
    assert result.success and result.nfev == 9


def test_joint_draws_are_refused_where_there_are_none(folders, data):
    with jax.enable_x64(True):
        posterior = PFN(folders["row_token"]).fit(jax.random.key(0), data)
    with pytest.raises(SettingError, match="no joint draws"):
        posterior.path(jax.random.key(0))


def test_fixed_bars_are_not_served(tmp_path, data):
    bars = row_token.Config(width=16, layers=1, heads=2, components=0, bars=10)
    params = taken_apart(bars.build(jax.random.key(0)))[1]
    about = {"model": described(bars), "sizes": SIZES, "tasks_seen": 0}
    checkpoint.save(tmp_path / "bars", params, about)
    with pytest.raises(SettingError, match="fixed bars"):
        PFN(tmp_path / "bars").fit(jax.random.key(0), data)
    with pytest.raises(PretrainError, match="at least 1 normal"):
        anchored.Config(row=bars)


def test_a_network_of_an_unknown_kind_is_refused():
    for facts in ({}, {"kind": "oracle"}, {"kind": "row_token", "depth": 3}):
        with pytest.raises(CheckpointError, match="network of"):
            configured(facts)
