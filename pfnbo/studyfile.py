"""Studies of external programs, described in a TOML file."""

import csv
import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pfnbo import checks
from pfnbo.dimensions import Categorical, Dimension, Float, Int
from pfnbo.errors import SettingError, SpaceError
from pfnbo.optimizer import Optimizer
from pfnbo.program import Program
from pfnbo.space import Space
from pfnbo.storage.ledger import Ledger

STUDY = {
    "parameters": dict,
    "candidates": str,
    "constraints": list,
    "maximize": bool,
    "trials": int,
    "initial": int,
    "seed": int,
    "prior": dict,
    "flip_rate": (int, float),
    "target": (int, float),
    "min_improvement": (int, float),
    "timeout": (int, float),
    "workers": int,
    "storage": str,
    "name": str,
    "program": dict,
}
PROGRAM = {
    "command": list,
    "input": str,
    "template": str,
    "output": str,
    "timeout": (int, float),
    "retries": int,
    "logs": str,
}
PARAMETER = {
    "low": (int, float),
    "high": (int, float),
    "log": bool,
    "step": (int, float),
    "integer": bool,
    "choices": list,
    "ordered": bool,
    "when": dict,
}
STOPS = ("target", "min_improvement", "timeout")  # of a run, as in `optimize`


@dataclass(frozen=True)
class StudyFile:
    """What a study file says."""

    path: Path
    space: Space
    facts: Mapping[str, Any]

    @classmethod
    def read(cls, path: Path) -> "StudyFile":
        """Read and check a file.

        Raises:
            SettingError: when it can't be read, or a key has no meaning.
            SpaceError: when its parameters have none.
        """
        try:
            facts = tomllib.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise SettingError(f"{path} can't be read: {error}.") from error
        _check(path, "", facts, STUDY)
        if "parameters" not in facts:
            raise SettingError(f"{path} has no [parameters]: x = [0.0, 1.0], say.")
        kinds = facts["parameters"].items()
        space = Space({n: _dimension(path, n, v) for n, v in kinds})
        if "candidates" in facts:
            table = path.parent / facts["candidates"]
            points = _candidates(table, space)
            try:
                space = Space(space.dimensions, candidates=points)
            except SpaceError as error:
                raise SpaceError(f"{table}: {error}") from None
        return cls(path, space, facts)

    @property
    def storage(self) -> str | Path:
        """Where the study is kept: a file beside this one unless it says otherwise."""
        given = self.facts.get("storage", f"{self.path.stem}.journal")
        return given if "://" in given else self.path.parent / given

    @property
    def name(self) -> str:
        """Name of the study in the storage."""
        return self.facts.get("name", "study")

    def settings(self) -> dict[str, Any]:
        """Return the arguments that `optimize` and `Optimizer` share."""
        names = dict(constraints="n_constraints", initial="n_initial")
        shared = ("constraints", "initial", "maximize", "seed", "prior", "flip_rate")
        return {names.get(k, k): self.facts[k] for k in shared if k in self.facts}

    def stops(self) -> dict[str, Any]:
        """Return the arguments of `optimize` that end a run before its last trial."""
        return {k: self.facts[k] for k in STOPS if k in self.facts}

    def program(self) -> Program:
        """Return the program that evaluates a point."""
        facts = self.facts.get("program")
        if facts is None:
            raise SettingError(
                f"{self.path} has no [program]: write one, or evaluate by hand with "
                "pfnbo suggest and pfnbo tell."
            )
        _check(self.path, "program.", facts, PROGRAM)
        if not facts.get("command"):
            raise SettingError(f'{self.path}: write command = ["./solve", "{{x}}"].')
        here, kind = self.path.parent, facts.get("input", "arguments")
        return Program(
            [str(word) for word in facts["command"]],
            list(self.space),
            here=here,
            logs=here / facts.get("logs", f"{self.path.stem}_runs"),
            json_input=checks.choice("input", kind, ("arguments", "json")) == "json",
            template=facts.get("template"),
            output=facts.get("output"),
            timeout=facts.get("timeout"),
            retries=checks.count("retries", facts.get("retries", 0), least=0),
        )

    def optimizer(self) -> tuple[Optimizer, Ledger]:
        """Return the stored study, to ask and tell by hand, and its trials."""
        ledger = Ledger(self.storage, self.name)
        optimizer = Optimizer(self.space, **self.settings())
        optimizer.attach(ledger)
        return optimizer, ledger


def _dimension(path: Path, name: str, given: Any) -> Any:
    if not isinstance(given, dict):
        return given
    _check(path, f"parameters.{name}.", given, PARAMETER)
    given = dict(given)
    integer = given.pop("integer", False)
    kind = Categorical if "choices" in given else Int if integer else Float
    scales = {"log", "step", "when"} if kind is Float else {"log", "when"}
    fields = (
        {"choices", "ordered", "when"}
        if kind is Categorical
        else {"low", "high"} | scales
    )
    needed = {"choices"} if kind is Categorical else {"low", "high"}
    if not needed <= set(given) <= fields:
        raise SettingError(
            f"{path}: parameter {name!r} has the keys {list(given)}: wanted "
            f"{sorted(needed)} and maybe {sorted(fields - needed)}."
        )
    return kind(**given)


def _candidates(path: Path, space: Space) -> list[dict[str, Any]]:
    """Return the lines of a CSV file with a column for each parameter, as points."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            lines = [(reader.line_num, line) for line in reader]
    except (OSError, ValueError, csv.Error) as error:
        raise SettingError(f"candidates in {path} can't be read: {error}.") from error
    missing = [name for name in space if name not in (reader.fieldnames or ())]
    if missing:
        raise SettingError(
            f"{path} has no columns {missing}: wanted one for each of {list(space)}."
        )
    return [
        {n: _value(path, i, n, space[n], line[n]) for n in space if line[n]}
        for i, line in lines
    ]


def _value(path: Path, line: int, name: str, dimension: Dimension, text: str) -> Any:
    if isinstance(dimension, Categorical):
        named = {str(choice): choice for choice in dimension.choices}
        return named.get(text, text)
    try:
        return float(text)
    except (TypeError, ValueError):
        raise SettingError(
            f"{path}, line {line}: {name!r} is {text!r}: wanted a number."
        ) from None


def _check(path: Path, where: str, given: Mapping[str, Any], known: Mapping) -> None:
    for key, value in given.items():
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            advice = f"did you mean {near[0]!r}?" if near else f"wanted {list(known)}."
            raise SettingError(f"{path} has an unknown key {where + key!r}: {advice}")
        wrong_flag = isinstance(value, bool) and known[key] is not bool
        if wrong_flag or not isinstance(value, known[key]):
            kinds = known[key] if isinstance(known[key], tuple) else (known[key],)
            raise SettingError(
                f"{path}: {where + key} is {value!r}: wanted "
                f"{' or '.join(kind.__name__ for kind in kinds)}."
            )
