"""The methods that can be compared, each imported when it runs.

A method is a function `run(problem, x_init, n_trials, seed, **settings)` that returns
one `Row` per evaluation. It evaluates the cube rows `x_init` first, which all methods
share, then asks its own optimiser for the rest. To add one, write the function and list
it here.
"""

import ast
import difflib
import functools
import importlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np

from pfnbo.bench.methods.process import command
from pfnbo.bench.trace import Row
from pfnbo.errors import BenchError
from pfnbo.problems.problem import Problem

Run = Callable[[Problem, np.ndarray, int, int], list[Row]]


@dataclass(frozen=True)
class Method:
    """Where a method is written and what it needs.

    Args:
        function: module of this package and name, such as "evolution:cma".
        about: what it is, for a list.
        package: what to install, all packages that it takes.
        module: what they are imported as.
    """

    function: str
    about: str
    package: str = "pfnbo"
    module: str = "pfnbo"

    @property
    def installed(self) -> bool:
        """Whether it can run here."""
        return all(map(find_spec, self.module.split()))


METHODS = {
    "ax": Method("ax_client:ax", "Ax, its default models", "ax-platform", "ax"),
    "botorch_logei": Method(
        "botorch_models:logei",
        "BoTorch, constrained log EI on bilog constraints",
        "botorch",
        "botorch",
    ),
    "botorch_qlognei": Method(
        "botorch_models:qlognei",
        "BoTorch, log noisy EI of many draws, bilog constraints",
        "botorch",
        "botorch",
    ),
    "botorch_scbo": Method(
        "scbo:scbo",
        "BoTorch, Thompson sampling in a trust region with constraints",
        "botorch",
        "botorch",
    ),
    "cma": Method("evolution:cma", "CMA-ES, penalised", "cma", "cma"),
    "hebo": Method("sequential:hebo", "HEBO, penalised", "HEBO", "hebo"),
    "nevergrad": Method(
        "evolution:nevergrad", "NGOpt, penalised", "nevergrad", "nevergrad"
    ),
    "optuna_gp": Method(
        "optuna_samplers:gp", "Optuna, its GP sampler", "optuna torch", "optuna torch"
    ),
    "optuna_tpe": Method(
        "optuna_samplers:tpe", "Optuna, multivariate TPE", "optuna", "optuna"
    ),
    "pfnbo": Method("ours:ours", "pfnbo with its default model"),
    "pfnbo_network": Method("ours:network", "pfnbo with its network"),
    "pfn_cei": Method("ours:pfn_cei", "the rule of PFN4sBO with pfnbo's network"),
    "pymoo": Method("evolution:pymoo", "pymoo, a genetic algorithm", "pymoo", "pymoo"),
    "random": Method("sampling:uniform", "uniformly random points"),
    "scipy_de": Method("evolution:scipy_de", "differential evolution, penalised"),
    "skopt": Method(
        "sequential:skopt", "its GP, penalised", "scikit-optimize", "skopt"
    ),
    "smac": Method("sequential:smac", "SMAC3, its GP, penalised", "smac", "smac"),
    "sobol": Method("sampling:sobol", "a scrambled Sobol sequence"),
}


def check(spec: str, *, here: bool = True) -> None:
    """Raise `BenchError` when `spec` names no method or a setting that it lacks.

    Args:
        spec: see `load`.
        here: whether this interpreter is to run it, so that it needs the packages.
    """
    method, settings = _parsed(spec)
    if here and not method.installed:
        raise BenchError(
            f"method {spec!r} needs {method.package}: pip install {method.package}, "
            f"or name an interpreter that has it by --python {spec}=PATH"
        )
    _check_settings(spec, _function(method), settings)


def load(spec: str) -> Run:
    """Return the method that a specification means.

    Args:
        spec: a name of `METHODS`, maybe with settings: "cma:sigma=0.1,popsize=8", or
            "NAME=COMMAND", a command line that speaks the protocol of `process`.

    Raises:
        BenchError: when there is none, it lacks a setting, or its package is missing.
    """
    if is_command(spec):
        return command(spec.split("=", 1)[1])
    check(spec)
    method, settings = _parsed(spec)
    return functools.partial(_function(method), **settings)


def is_command(spec: str) -> bool:
    """Return whether a specification is a command line with a name."""
    head, found, _ = spec.partition("=")
    return bool(found) and ":" not in head


def label(spec: str) -> str:
    """Return the name of a method in results: a command is known by its own name."""
    return spec.partition("=")[0] if is_command(spec) else spec


def _parsed(spec: str) -> tuple[Method, dict[str, Any]]:
    name, _, text = spec.partition(":")
    if name not in METHODS:
        near = difflib.get_close_matches(name, METHODS, 1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise BenchError(f"no method {name!r}: {hint}(pfnbo bench --list shows all)")
    pairs = [part.partition("=") for part in text.split(",") if part]
    if not all(found and key and value for key, found, value in pairs):
        raise BenchError(f"settings of {spec!r}: wanted {name}:key=value,key=value.")
    return METHODS[name], {key: _value(value) for key, _, value in pairs}


def _function(method: Method) -> Callable[..., list[Row]]:
    module, _, name = method.function.partition(":")
    return getattr(importlib.import_module(f"{__name__}.{module}"), name)


def _check_settings(spec: str, function: Callable, settings: dict[str, Any]) -> None:
    parameters = list(inspect.signature(function).parameters.values())
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return
    known = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
    wrong = [name for name in settings if name not in known]
    if wrong:
        has = ", ".join(known) or "none"
        raise BenchError(f"{spec!r} has no setting {wrong[0]!r}: it has {has}.")


def _value(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
