"""The architectures of networks, by the name under which a checkpoint keeps them."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from pfnbo.errors import CheckpointError
from pfnbo.pfn import anchored, kernel_head, row_token

Params = dict[str, Any]
Config = kernel_head.Config | row_token.Config | anchored.Config
KINDS: dict[str, type[Config]] = {
    "kernel_head": kernel_head.Config,
    "row_token": row_token.Config,
    "anchored": anchored.Config,
}


def frozen(config: Config) -> tuple[str, ...]:
    """Return the names of the parts of a network that training leaves alone."""
    return ("kernel",) if isinstance(config, anchored.Config) else ()


def begun(model: Config, params: Params, known: Config, started: Params) -> Params:
    """Return the parameters of a trained network, or fresh ones that contain them.

    Args:
        model: of the network to train.
        params: its fresh parameters.
        known: configuration of the trained network: the same, the kernel head of it, or
            one with fewer layers.
        started: the parameters of that.
    """
    if isinstance(model, anchored.Config):
        if known == model.kernel:
            return {**params, "kernel": started}
        if isinstance(known, anchored.Config) and known.kernel == model.kernel:
            row = begun(model.row, params["row"], known.row, started["row"])
            return {**started, "row": row}
    if isinstance(model, row_token.Config) and isinstance(known, row_token.Config):
        fewer = known.layers < model.layers
        if fewer and known == replace(model, layers=known.layers):
            return row_token.deeper(started, params)
    return started


def described(config: Config) -> dict[str, Any]:
    """Return a configuration as plain JSON values."""
    kind = next(name for name, kind in KINDS.items() if kind is type(config))
    return {"kind": kind, **asdict(config)}


def configured(facts: Mapping[str, Any]) -> Config:
    """Return the configuration that `described` gave."""
    kind = facts.get("kind")
    if kind not in KINDS:
        raise CheckpointError(
            f"a network of kind {kind!r}: this pfnbo knows {', '.join(KINDS)}."
        )
    sizes = {name: value for name, value in facts.items() if name != "kind"}
    parts = {"kernel": kernel_head.Config, "row": row_token.Config}
    for name in parts.keys() & sizes.keys():
        sizes[name] = parts[name](**sizes[name])
    try:
        return KINDS[kind](**sizes)
    except TypeError as error:
        raise CheckpointError(f"a {kind} network of other sizes: {error}.") from error
