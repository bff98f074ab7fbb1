import subprocess
import sys

HEAVY = "scipy.optimize scipy.stats matplotlib pandas optuna torch blackjax numpyro"
HEAVY = [*HEAVY.split(), "flax", "optax", "tqdm"]
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
