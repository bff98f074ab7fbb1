import subprocess
import sys

import pytest

import pfnbo

HEAVY = "scipy.special scipy.optimize scipy.stats matplotlib pandas optuna torch"
HEAVY = [*HEAVY.split(), "blackjax", "numpyro", "flax", "optax", "tqdm"]
CODE = f"""
import sys
import jax
earlier = set(sys.modules)
before = jax.config.jax_enable_x64, jax.config.jax_compilation_cache_dir
import pfnbo
assert before == (jax.config.jax_enable_x64, jax.config.jax_compilation_cache_dir)
loaded = [name for name in {HEAVY!r} if name in set(sys.modules) - earlier]
assert not loaded, loaded
"""


def test_import_is_light_and_changes_nothing():
    run = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def test_every_public_name_is_there():
    assert set(pfnbo.__all__) <= set(dir(pfnbo))
    for name in pfnbo.__all__:
        assert getattr(pfnbo, name) is not None
    with pytest.raises(AttributeError, match="nothing"):
        pfnbo.nothing  # noqa: B018
