"""Networks as plain data: a static structure, and nested dicts of arrays."""

from collections.abc import Mapping
from typing import Any

import jax
from flax import nnx

from pfnbo.errors import CheckpointError


def taken_apart(network: nnx.Module) -> tuple[Any, dict[str, Any]]:
    """Return the hashable structure of a network and its parameters."""
    graph, state = nnx.split(network)
    return graph, _named(nnx.to_pure_dict(state))


def put_together(graph: Any, params: Mapping[str, Any]) -> Any:
    """Return the network of a structure and parameters, to call under `jit`."""
    return nnx.merge(graph, _numbered(params))


def structure(config: Any) -> Any:
    """Return the structure of the network of a configuration, without parameters."""
    return nnx.split(_shaped(config))[0]


def check(config: Any, params: Mapping[str, Any]) -> None:
    """Raise where parameters are not those of the network of a configuration.

    Raises:
        CheckpointError: naming the first array that is not there or of another shape.
    """
    wanted = _shapes(taken_apart(_shaped(config))[1])
    found = _shapes(params)
    for name in sorted(wanted.keys() | found.keys()):
        if wanted.get(name) != found.get(name):
            raise CheckpointError(
                f"the checkpoint has {name} of shape {found.get(name)}, and its "
                f"configuration asks for {wanted.get(name)}."
            )


def _shaped(config: Any) -> nnx.Module:
    return nnx.eval_shape(lambda: config.build(jax.random.key(0)))


def _shapes(params: Any) -> dict[str, tuple[int, ...]]:
    leaves = jax.tree.leaves_with_path(params)
    return {
        jax.tree_util.keystr(path, simple=True, separator="."): tuple(a.shape)
        for path, a in leaves
    }


# The layers of a list have numbers for names, which a file can't have.
def _named(tree: Any) -> Any:
    if not isinstance(tree, Mapping):
        return tree
    return {str(name): _named(branch) for name, branch in tree.items()}


def _numbered(tree: Any) -> Any:
    if not isinstance(tree, Mapping):
        return tree
    return {
        int(name) if name.isdigit() else name: _numbered(branch)
        for name, branch in tree.items()
    }
