"""The trials of a study in a storage, shared by all that work on it."""

import contextlib
import json
import math
import warnings
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from optuna.exceptions import DuplicatedStudyError, StorageInternalError
from optuna.storages import BaseStorage, get_storage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from pfnbo.errors import SettingError, StorageError
from pfnbo.space import Space, contains
from pfnbo.storage import check_name, open_storage, owner
from pfnbo.storage.opening import turn
from pfnbo.storage.parameters import description, distributions, restored, stored

FORMAT = 1
STUDY = "pfnbo"  # the attribute of a study that tells what it searches
OWNER = "pfnbo:owner"  # absent where points are evaluated by hand
UNKNOWN = "pfnbo:unknown"  # constraints that the evaluation did not tell
CHECK = "pfnbo:check"
WITHDRAWN = "pfnbo:withdrawn"
CONSTRAINT = "constraints:"  # where Optuna and its dashboard look


@dataclass(frozen=True)
class Outcome:
    """What came of one evaluation."""

    f: float = math.nan  # NaN where it failed
    g: Mapping[str, float] = field(default_factory=dict)  # NaN where unknown
    error: str = ""  # why it failed


@contextlib.contextmanager
def _told(name: str) -> Iterator[None]:
    """Say what the database said, and that it is no loss."""
    try:
        yield
    except StorageInternalError as error:
        cause = getattr(error.__cause__, "orig", error)
        raise StorageError(
            f"study {name!r} can't be read or written: {cause}. What was in it is "
            "still there: type the same call again when this is put right."
        ) from error


class Ledger:
    """One study in a storage.

    Args:
        storage: what `open_storage` accepts.
        name: of the study.
        limit: trials of all workers together, None for no limit.
        working: whether this process evaluates what it asks for, so that others may
            take it up when it dies.
    """

    def __init__(
        self, storage: Any, name: str, *, limit: int | None = None, working=False
    ) -> None:
        """Open the storage."""
        self.name, self.limit = check_name(name), limit
        self.storage = get_storage(open_storage(storage))
        self._given = storage
        self._owner = owner.enter() if working else None
        self._seen: set[int] = set()  # numbers of trials read as running or finished
        self._last: list[FrozenTrial] = []  # the trials as last read
        self._known: set[int] = set()  # numbers of those read as finished

    def open(
        self, space: Space, names: Sequence[str], maximize: bool, seed: int | None
    ) -> tuple[tuple[str, ...], int | None]:
        """Find or make the study.

        Returns:
            Names of its constraints, and its seed.

        Raises:
            SettingError: when it searches something else.
        """
        self.space, self._distributions = space, distributions(space)
        direction = StudyDirection.MAXIMIZE if maximize else StudyDirection.MINIMIZE
        self._study = self._found([direction])
        wanted = dict(parameters=description(space), maximize=maximize)
        kept = self.storage.get_study_user_attrs(self._study).get(STUDY)
        if kept is None:
            if self._trials():
                raise SettingError(
                    f"study {self.name!r} was made by another program: give another "
                    "name=."
                )
            self._facts: dict[str, Any] = dict(
                format=FORMAT, **wanted, names=list(names), seed=seed
            )
            self._keep()
            return tuple(names), seed
        self._facts = kept
        _compare(self.name, kept, wanted)
        if names and list(names) != kept["names"]:
            self.expect(names)
        self._warn_of_others()
        return tuple(kept["names"]), kept["seed"]

    def turn(self) -> contextlib.AbstractContextManager[None]:
        """Keep other processes from choosing a point meanwhile, where a file can.

        Elsewhere, `start` sees to it that no point is taken twice.
        """
        return turn(self._given)

    def expect(self, names: Sequence[str]) -> None:
        """Give constraints to a study that had none."""
        self.names()  # another worker may have been first
        told = any(t.state is TrialState.COMPLETE for t in self._trials())
        if self._facts["names"] != list(names) and (self._facts["names"] or told):
            raise SettingError(
                f"study {self.name!r} has the constraints {self._facts['names']}, not "
                f"{list(names)}: go on with those, or give another name=."
            )
        self._facts["names"] = list(names)
        self._keep()

    def names(self) -> tuple[str, ...]:
        """Return the constraints, of which another worker may have told meanwhile."""
        if not self._facts["names"]:
            self._facts = self.storage.get_study_user_attrs(self._study)[STUDY]
        return tuple(self._facts["names"])

    def read(self) -> tuple[list[tuple[dict[str, Any], Outcome]], list[dict[str, Any]]]:
        """Return what has ended since the last call, and what is under evaluation.

        The former comes in the order of its end. Both are of one moment: a trial that
        ended between two readings would be in neither.
        """
        with _told(self.name):
            self._last = self._trials()
        self._seen = {t.number for t in self._last}
        ended = [t for t in self._last if t.state.is_finished() and t.params]
        new = [t for t in ended if t.number not in self._known]
        new.sort(key=lambda t: (t.datetime_complete, t.number))
        self._known |= {t.number for t in new}
        told = [(restored(self.space, t.params), self._outcome(t)) for t in new]
        return told, [restored(self.space, t.params) for t in _running(self._last)]

    def pending(self) -> dict[int, dict[str, Any]]:
        """Return the points under evaluation, by whomever, by trial number."""
        return {
            t.number: restored(self.space, t.params) for t in _running(self._trials())
        }

    @property
    def full(self) -> bool:
        """Whether as many trials as the limit have begun, none of them abandoned."""
        if self.limit is None:
            return False
        begun = [t for t in self._last if not _abandoned(t)]
        return len(begun) >= self.limit

    def adopt(self) -> dict[str, Any] | None:
        """Take over a trial whose process has died or given it up, if there is one."""
        if self._owner is None:
            return None
        for trial in filter(_abandoned, _running(self._last)):
            self.storage.set_trial_system_attr(trial._trial_id, OWNER, self._owner)
            if (
                self.storage.get_trial(trial._trial_id).system_attrs[OWNER]
                == self._owner
            ):
                return restored(self.space, trial.params)
        return None

    def start(self, x: Any) -> bool:
        """Write that `x` is under evaluation, unless another worker was first.

        Of two workers that choose the same point, or the last one allowed, at the
        same time, the one whose trial has the lower number keeps it.
        """
        with _told(self.name):
            return self._start(x)

    def _start(self, x: Any) -> bool:
        mine = {} if self._owner is None else {OWNER: self._owner}
        trial = self._add(x, state=TrialState.RUNNING, system_attrs=mine)
        row = self.space.encode(x)
        number = self.storage.get_trial_number_from_id(trial)
        earlier = [t for t in self._trials() if t.number < number]
        new = [t for t in earlier if t.number not in self._seen]
        taken = any(self._at(t, row) for t in new)
        if not taken and (self.limit is None or len(earlier) < self.limit):
            return True
        self.storage.set_trial_system_attr(trial, WITHDRAWN, True)
        self.storage.set_trial_user_attr(trial, "error", "withdrawn: another was first")
        self.storage.set_trial_state_values(trial, TrialState.FAIL)
        return False

    def finish(self, x: Any, outcome: Outcome) -> None:
        """Write what came of `x`, whether it was asked for or not."""
        with _told(self.name):
            self._finish(x, outcome)

    def _finish(self, x: Any, outcome: Outcome) -> None:
        row = self.space.encode(x)
        same = [t for t in _running(self._trials()) if self._at(t, row)]
        same.sort(key=lambda t: t.system_attrs.get(OWNER) != self._owner)
        state = TrialState.FAIL if outcome.error else TrialState.COMPLETE
        params = stored(self.space, x)
        if same:  # a scale may have rounded what came back
            params = stored(self.space, restored(self.space, same[0].params))
        system, user = _attributes(params, outcome)
        if not same:
            value = None if outcome.error else outcome.f
            self._add(x, state=state, value=value, system_attrs=system, user_attrs=user)
            return
        trial = same[0]._trial_id
        for key, value in system.items():
            self.storage.set_trial_system_attr(trial, key, value)
        for key, value in user.items():
            self.storage.set_trial_user_attr(trial, key, value)
        values = None if outcome.error else [outcome.f]
        self.storage.set_trial_state_values(trial, state, values)

    def release(self) -> None:
        """Give up what this process has begun and not ended."""
        if self._owner is None:
            return
        owner.leave(self._owner)
        for trial in _running(self._trials()):
            if trial.system_attrs.get(OWNER) == self._owner:
                self.storage.set_trial_system_attr(trial._trial_id, OWNER, [])

    def _found(self, directions: list[StudyDirection]) -> int:
        try:
            return self.storage.get_study_id_from_name(self.name)
        except KeyError:
            pass
        try:
            return self.storage.create_new_study(directions, self.name)
        except DuplicatedStudyError:  # another worker was first
            return self.storage.get_study_id_from_name(self.name)

    def _keep(self) -> None:
        self.storage.set_study_user_attr(self._study, STUDY, self._facts)

    def _add(self, x: Any, **settings: Any) -> int:
        params = stored(self.space, x)
        kinds = {name: self._distributions[name] for name in params}
        trial = create_trial(params=params, distributions=kinds, **settings)
        return self.storage.create_new_trial(self._study, trial)

    def _trials(self) -> list[FrozenTrial]:
        trials = self.storage.get_all_trials(self._study, deepcopy=False)
        return [t for t in trials if WITHDRAWN not in t.system_attrs]

    def _at(self, trial: FrozenTrial, row: np.ndarray) -> bool:
        if not trial.params:
            return False
        return contains(
            self.space.encode(restored(self.space, trial.params))[None], row
        )

    def _outcome(self, trial: FrozenTrial) -> Outcome:
        unknown = trial.system_attrs.get(UNKNOWN, [])
        g = dict(trial.constraints) | dict.fromkeys(unknown, math.nan)
        if trial.state is TrialState.COMPLETE:
            outcome = Outcome(float(trial.values[0]), g)
        else:
            outcome = Outcome(g=g, error=trial.user_attrs.get("error", "failed"))
        params = stored(self.space, restored(self.space, trial.params))
        check = trial.system_attrs.get(CHECK)
        if check not in (None, _checksum(params, outcome)):
            raise StorageError(
                f"trial {trial.number} of study {self.name!r} is not what was written: "
                "the storage is damaged. Restore a copy."
            )
        return outcome

    def _warn_of_others(self) -> None:
        owners = {t.number: t.system_attrs.get(OWNER) for t in _running(self._trials())}
        far = [n for n, name in owners.items() if name and owner.elsewhere(name)]
        if self._owner is not None and far:
            warnings.warn(
                f"the trials {far} of study {self.name!r} run on other machines: they "
                "are waited for. Should those be dead, tell that they failed.",
                stacklevel=5,
            )


def shown(storage: BaseStorage, name: str) -> tuple[list[FrozenTrial], bool]:
    """Return the trials of any study of Optuna to show, and whether it maximises."""
    study = storage.get_study_id_from_name(name)
    trials = storage.get_all_trials(study)
    maximize = storage.get_study_directions(study)[0] is StudyDirection.MAXIMIZE
    return [t for t in trials if WITHDRAWN not in t.system_attrs], maximize


def _running(trials: list[FrozenTrial]) -> list[FrozenTrial]:
    return [t for t in trials if t.state is TrialState.RUNNING and t.params]


def _abandoned(trial: FrozenTrial) -> bool:
    name = trial.system_attrs.get(OWNER)
    return trial.state is TrialState.RUNNING and name is not None and owner.gone(name)


def _attributes(params: Mapping[str, Any], outcome: Outcome) -> tuple[dict, dict]:
    """Return the system and the user attributes of a trial that has ended."""
    unknown = [name for name, value in outcome.g.items() if math.isnan(value)]
    system: dict[str, Any] = {
        # Optuna knows no unknown constraint; an infinite one is as little satisfied.
        CONSTRAINT + name: math.inf if name in unknown else value
        for name, value in outcome.g.items()
    }
    if unknown:
        system[UNKNOWN] = unknown
    system[CHECK] = _checksum(params, outcome)
    return system, {"error": outcome.error} if outcome.error else {}


def _checksum(params: Mapping[str, Any], outcome: Outcome) -> int:
    f = repr(outcome.f + 0.0)  # SQLite keeps no negative zero
    facts = [params, f, sorted(outcome.g.items()), outcome.error]
    return zlib.crc32(json.dumps(facts, sort_keys=True).encode())


def _compare(name: str, kept: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    if kept["format"] != FORMAT:
        raise StorageError(
            f"study {name!r} has format {kept['format']}, this pfnbo reads {FORMAT}: "
            "use the version that wrote it."
        )
    if kept["maximize"] != wanted["maximize"]:
        raise SettingError(
            f"study {name!r} has maximize={kept['maximize']}: go on with that, or give "
            "another name=."
        )
    old, new = kept["parameters"], wanted["parameters"]
    changed = [n for n in [*old, *new] if old.get(n) != new.get(n)]
    if changed or list(old) != list(new):
        first = (changed or list(new))[0]
        raise SettingError(
            f"study {name!r} searches other parameters: {first!r} is "
            f"{old.get(first)} there and {new.get(first)} here. Go on with those, or "
            "give another name=."
        )
