import jax
import numpy as np
import pytest

from pfnbo import optimize
from pfnbo.maximize.gradient import pool
from pfnbo.strategy import _noise_free, _path
from pfnbo.surrogates.gp import _fit
from pfnbo.surrogates.pfn import _infer

PROGRAMS = (_fit, _infer, pool, _path, _noise_free)


def _compiled(n, **settings):
    """Programs that a run compiles: 0 when an earlier test has made them."""
    before = np.array([program._cache_size() for program in PROGRAMS])
    fn, bounds = lambda x: float(x @ x), [(-1, 1)] * 2
    optimize(fn, bounds, n, seed=0, n_initial=4, **settings)
    return np.array([program._cache_size() for program in PROGRAMS]) - before


def test_one_program_per_bucket():
    for n, most in ((20, 1), (32, 0), (35, 1), (36, 0)):
        # "auto" may change from one acquisition to the other, which is one more.
        assert np.all(_compiled(n, acquisition="ei") <= most)


@pytest.mark.parametrize("acquisition", ["nei", "thompson"])
def test_draws_do_not_compile_again(acquisition):
    assert np.all(_compiled(8, acquisition=acquisition) <= 1)
    assert np.all(_compiled(10, acquisition=acquisition, batch_size=2) == 0)


def test_double_precision_stays_inside():
    _compiled(6)
    assert not jax.config.jax_enable_x64
