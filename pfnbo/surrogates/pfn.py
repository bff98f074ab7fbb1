"""A trained network as a surrogate: it infers what a Gaussian process has to learn."""

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pfnbo import checkpoint
from pfnbo.compilation import jit
from pfnbo.data import Data
from pfnbo.errors import CheckpointError, SettingError
from pfnbo.kernel import ADDITIVE, blended, is_additive, shared
from pfnbo.surrogates.gp import GP, GPPosterior, condition
from pfnbo.surrogates.particles import ParticlePosterior, repeat
from pfnbo.surrogates.rows import RowPosterior, encode

KERNEL = "blend"
Network = tuple[Any, dict[str, Any]]  # structure and parameters
# Nats by which the fit of a Gaussian process must be better than a particle: a maximum
# of the evidence flatters itself, above all where rows are few.
HANDICAP = 8.0
# Nats by which it must predict left-out observations better to predict alone: it is
# fitted to all of them, which flatters it here, too.
BETTER = 8.0
BEYOND = 2  # times the size of the tables of the training that a network may see


@dataclass(frozen=True)
class PFN:
    """A prior-data fitted network from a checkpoint, of any of the three kinds.

    A kernel head predicts by particles, which are Gaussian processes. A row-token
    network predicts on its own and has no joint draws; one that corrects a kernel head
    draws as that does, without its corrections.

    Args:
        name: of a checkpoint that comes with pfnbo, or the path of one.
        kept: number of particles kept of each output, the heaviest.
        gp: a Gaussian process whose fit is a particle, too, as heavy as its evidence
            and its prior make it, less a handicap: where rows are many, a search of
            its own may find what the network does not. Where it predicts
            left-out observations far better than a mixture that nothing corrects, it
            predicts alone. None leaves it out. Far beyond the tables that the network
            was trained on a Gaussian process predicts alone, this one or the default.

    Rows and columns have no names to the network: their order changes no prediction, so
    that there is nothing to average over.
    """

    name: str | Path = "engineering"
    kept: int = 6
    gp: GP | None = GP()
    exact = True

    def __post_init__(self):
        """Refuse a mixture of nothing, or with what is no particle."""
        if self.kept < 1:
            raise SettingError(f"kept is {self.kept}: at least 1 particle is needed.")
        if self.gp is not None and not isinstance(self.gp.kernel, str):
            raise SettingError(
                f"gp has the kernel {self.gp.kernel}: wanted one by name, GP() or None."
            )

    def fit(
        self, key: jax.Array, data: Data
    ) -> ParticlePosterior | RowPosterior | GPPosterior:
        """Return the posterior of every output; nothing is random."""
        rows = int(np.any(np.asarray(data.seen), 0).sum())
        facts = _facts(self.name)
        if _reason(facts, rows, data.x.shape[1]):
            return (self.gp or GP()).fit(key, data)
        kernel, row = _networks(self.name, facts["params"]["sha256"])
        if kernel is None:
            return encode(*row, data, None)  # type: ignore  # there is one of them
        fitted = None if self.gp is None else self.gp.fit(key, data)
        mixed = self._mixed(*kernel, data, fitted)
        if row:
            return encode(*row, data, mixed)
        if fitted is not None and _advantage(fitted, mixed) > BETTER:
            return fitted
        return mixed

    def told(self, rows: int, columns: int, posterior: Any = None) -> str:
        """Return what predicts from so many rows and columns, and why.

        Args:
            rows: number of observations.
            columns: of the cube.
            posterior: of them, if it is known.
        """
        reason = ""
        if posterior is None:
            reason = _reason(_facts(self.name), rows, columns)
        elif isinstance(posterior, GPPosterior):  # of an earlier task's rows, too
            shape = int(posterior.seen.sum(-1).max()), posterior.x.shape[1]
            beyond = _reason(_facts(self.name), *shape)
            reason = beyond or "it predicts left-out rows worse"
        return f"PFN({str(self.name)!r})" + (reason and f": {reason}, so a GP predicts")

    def _mixed(
        self, graph, params, data: Data, fitted: GPPosterior | None
    ) -> ParticlePosterior:
        theta, weight = _infer(params, data, fitted, graph, self.kept)
        members = condition(
            theta.reshape(-1, theta.shape[-1]),
            repeat(data, theta.shape[1]),
            weight.reshape(-1),
            _kernel(fitted),
        )
        return ParticlePosterior(members, weight)


def _kernel(rival: GPPosterior | None) -> str:
    """Return the kernel that the particles of a network and a rival have in common."""
    additive = rival is not None and is_additive(rival.kernel)
    return KERNEL + ADDITIVE * additive


@jit
def _advantage(fitted: GPPosterior, mixed: ParticlePosterior) -> jax.Array:
    """Return by how many nats a process predicts left-out observations better, ()."""
    own, other = (
        jnp.where(fitted.seen, p.leave_one_out().log_prob(fitted.y), 0)
        for p in (fitted, mixed)
    )
    return jnp.sum(own) - jnp.sum(other)


def _facts(name: str | Path) -> dict[str, Any]:
    """Return what a checkpoint says of itself, with the sizes of its largest tables.

    Read anew each time: its folder may hold another network after more training.
    """
    facts = checkpoint.read_config(checkpoint.find(name))
    if not {"capacity", "columns"} <= facts["sizes"].keys():
        raise CheckpointError(
            f"{name} says sizes={facts['sizes']}: a network that is served needs "
            "'capacity' (rows) and 'columns'."
        )
    return facts


def _reason(facts: dict[str, Any], rows: int, columns: int) -> str:
    """Return why the network should not predict from such a table, or nothing."""
    sizes = facts["sizes"]
    if columns > BEYOND * sizes["columns"]:
        return f"{columns} columns, it was trained on up to {sizes['columns']}"
    if rows > BEYOND * sizes["capacity"]:
        return f"{rows} rows, it was trained on up to {sizes['capacity']}"
    return ""


@functools.lru_cache(maxsize=4)
def _networks(name: str | Path, sha256: str) -> tuple[Network | None, Network | None]:
    """Return the kernel head and the network of rows that a checkpoint holds."""
    del sha256  # it only tells one network from another
    # Flax is slow to import, and who uses no network needs none of it.
    from pfnbo.pfn import anchored, row_token
    from pfnbo.pfn.models import configured
    from pfnbo.pfn.network import check, structure

    loaded = checkpoint.load(name)
    config = configured(loaded.config["model"])
    check(config, loaded.params)
    whole = structure(config), loaded.params
    if isinstance(config, row_token.Config):
        if not config.components:
            raise SettingError(
                f"{name} predicts fixed bars, for comparison only: to serve a network, "
                "train it with components > 0."
            )
        return None, whole
    if isinstance(config, anchored.Config):
        return (structure(config.kernel), loaded.params["kernel"]), whole
    return whole, None


@functools.partial(jit, static_argnames=("graph", "kept"))
def _infer(
    params, data: Data, fitted: GPPosterior | None, graph, kept: int
) -> tuple[jax.Array, jax.Array]:
    """Return the heaviest particles of each output, and their log weights."""
    from pfnbo.pfn.network import put_together
    from pfnbo.pfn.polish import weighed

    network = put_together(graph, params)
    columns = jnp.ones(data.x.shape[1], bool)

    rival = None  # one more particle of each output, and its log weight
    if fitted is not None:
        rival = blended(fitted.theta, str(fitted.kernel)), fitted.evidence - HANDICAP

    def one(y, seen, rival):
        proposed = network.infer(data.x, y, seen, columns)
        theta, weight = weighed(proposed, data.x, y, seen)
        if _kernel(fitted) != KERNEL:
            theta = shared(theta, len(columns))
        if rival is not None:
            theta = jnp.concatenate([theta, rival[0][None]])
            weight = jnp.append(weight, jnp.nan_to_num(rival[1], nan=-1e30))
        weight, order = jax.lax.top_k(weight, min(kept, len(weight)))
        return theta[order], jax.nn.log_softmax(weight)

    return jax.vmap(one)(data.y, data.seen, rival)
