"""An Optuna sampler: `study = optuna.create_study(sampler=PFNBOSampler())`.

Optuna's objectives say what they need as they run. The search space is read off the
finished trials, and so are its conditions: a parameter that appears exactly where a
discrete one has certain values is active only there.
"""

import json
import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.logging import get_logger
from optuna.samplers import BaseSampler, RandomSampler
from optuna.samplers._base import _process_constraints_after_trial
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from pfnbo import checks
from pfnbo.compilation import enable_compilation_cache, make_room_for_programs
from pfnbo.errors import SettingError, SpaceError
from pfnbo.ext.revealed import Revealed, Values, as_space, internal
from pfnbo.model import Surrogate
from pfnbo.optimizer import Optimizer

SHARED = "pfnbo:suggested"  # system attributes that tell other workers what is asked
LONGEST = 2045  # characters of one attribute that every storage keeps
FINISHED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)

_log = get_logger(__name__)


class PFNBOSampler(BaseSampler):
    """The engine of `pfnbo.Optimizer` behind Optuna's interface.

    Constraints are those of Optuna: `trial.set_constraint(name, value)`, feasible at
    0 or less. Running trials count as pending, pruned ones with the value that they
    reported last, and failed ones as places to avoid.

    Args:
        seed: the same seed and trials give the same suggestions.
        n_startup_trials: trials before the model decides, which fill the space; None
            is twice the dimension, between 4 and 20.
        constraints_func: returns the constraints of a trial, in Optuna's older form.
        noise: as of `Optimizer`.
        surrogate: as of `Optimizer`.
        acquisition: as of `Optimizer`.
        independent_sampler: for parameters that no finished trial tells of, or whose
            range or conditions are not understood; random by default.
        warn_independent_sampling: whether to log a warning for the latter.

    Raises:
        SettingError: when an argument has no meaning, or the study more than one
            objective.
    """

    def __init__(
        self,
        *,
        seed: int | None = None,
        n_startup_trials: int | None = None,
        constraints_func: Callable[[FrozenTrial], Sequence[float]] | None = None,
        noise: str | float = "auto",
        surrogate: Surrogate | None = None,
        acquisition: str = "auto",
        independent_sampler: BaseSampler | None = None,
        warn_independent_sampling: bool = True,
    ) -> None:
        """Check every argument; nothing is compiled before the first suggestion."""
        if seed is not None:
            seed = checks.count("seed", seed, least=0)
        if n_startup_trials is not None:
            n_startup_trials = checks.count("n_startup_trials", n_startup_trials, 0)
            n_startup_trials = max(n_startup_trials, 1)
        if constraints_func is not None:
            checks.function("constraints_func", constraints_func, "a trial")
        self._settings: dict[str, Any] = dict(
            n_initial=n_startup_trials,
            noise=noise,
            surrogate=surrogate,
            acquisition=acquisition,
        )
        Optimizer([(0, 1)], **self._settings)  # refuses settings without meaning
        self._warn = checks.flag("warn_independent_sampling", warn_independent_sampling)
        self._constraints_func = constraints_func
        self._independent = independent_sampler or RandomSampler(seed=seed)
        self._seed = _fresh_seed() if seed is None else seed
        self._forget()

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy needs: not the lock, nor what trials tell anew."""
        gone = ("_lock", "_study", "_revealed", "_engine")
        return {k: v for k, v in self.__dict__.items() if k not in gone}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take up the settings of another sampler."""
        vars(self).update(state)
        self._forget()

    def reseed_rng(self) -> None:
        """Draw a new seed, as every worker of a study should have its own."""
        with self._lock:
            self._seed, self._engine = _fresh_seed(), None
        self._independent.reseed_rng()

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return the parameters that the model suggests together."""
        del trial
        _refuse_objectives(study)
        with self._lock:
            self._learn(study)
            return self._revealed.search_space()

    def sample_relative(
        self,
        study: Study,
        trial: FrozenTrial,
        search_space: dict[str, BaseDistribution],
    ) -> dict[str, Any]:
        """Return values of the parameters that are active at the suggested point.

        A point comes again only when none is left.
        """
        _refuse_objectives(study)
        if not search_space:
            return {}
        # One at a time: a suggestion must know of the one before.
        with self._lock:
            self._learn(study)
            engine = self._current(study, search_space)
            point = engine.suggest(_running(study, trial))
            _share(study, trial, point)
        return {n: search_space[n].to_external_repr(v) for n, v in point.items()}

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Return a value from the independent sampler."""
        _refuse_objectives(study)
        with self._lock:
            reason = self._revealed.reason(param_name)
        if reason and self._warn:
            _log.warning(
                f"{param_name!r} is sampled by {type(self._independent).__name__}, not "
                f"by the model, from trial {trial.number} on: {reason}."
            )
        return self._independent.sample_independent(
            study, trial, param_name, param_distribution
        )

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Pass on to the independent sampler."""
        self._independent.before_trial(study, trial)

    def after_trial(
        self,
        study: Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """Record the constraints of `constraints_func`."""
        if self._constraints_func is not None:
            _process_constraints_after_trial(
                self._constraints_func, study, trial, state
            )
        self._independent.after_trial(study, trial, state, values)

    def _forget(self) -> None:
        self._lock = threading.RLock()
        self._study: tuple[Any, int] | None = None
        self._revealed, self._engine = Revealed(), None

    def _learn(self, study: Study) -> None:
        """Take in the trials that have ended since the last call."""
        where = study._storage, study._study_id
        if where != self._study:
            self._study, self._revealed, self._engine = where, Revealed(), None
        ended = study._get_trials(deepcopy=False, states=FINISHED)
        # In their order, which another sampler of the study learns them in, too.
        for trial in sorted(ended, key=lambda t: t.datetime_complete or datetime.max):
            if trial._trial_id not in self._revealed.trials:
                self._revealed.add(trial)

    def _current(
        self, study: Study, search_space: dict[str, BaseDistribution]
    ) -> "_Engine":
        """Return the engine of this search space; it knows every finished trial."""
        whens, names = self._revealed.whens(), list(self._revealed.constraints)
        maximize = study.direction == StudyDirection.MAXIMIZE
        made_of = search_space, whens, names, maximize
        if self._engine is None or self._engine.made_of != made_of:
            enable_compilation_cache()
            make_room_for_programs()
            optimizer = Optimizer(
                as_space(search_space, whens),
                n_constraints=names,
                maximize=maximize,
                seed=self._seed,
                **self._settings,
            )
            self._engine = _Engine(made_of, optimizer)
        self._engine.tell(list(self._revealed.trials.values()))
        return self._engine


class _Engine:
    """An optimizer over one search space, and how many trials it has been told."""

    def __init__(self, made_of: tuple, optimizer: Optimizer) -> None:
        self.made_of, self.optimizer, self._told = made_of, optimizer, 0

    def tell(self, trials: list[FrozenTrial]) -> None:
        for trial in trials[self._told :]:
            self._tell(trial)
        self._told = len(trials)

    def suggest(self, running: list[Values]) -> Values:
        """Return a point; one at random if none is left."""
        inside = [values for values in map(self._inside, running) if values]
        self.optimizer.pending = inside
        if asked := self.optimizer.ask():
            return asked[0]
        space, seed = self.optimizer.space, self._told + len(running)
        return space.decode(space.design(1, seed)[0])

    def _tell(self, trial: FrozenTrial) -> None:
        point, value = self._inside(internal(trial)), _value(trial)
        if point is None or (value is None and trial.state != TrialState.FAIL):
            return
        names = self.optimizer.constraint_names
        g = [trial.constraints.get(name, np.nan) for name in names]
        self.optimizer.tell(point, value, g, failed=trial.state == TrialState.FAIL)

    def _inside(self, values: Values) -> Values | None:
        """Return what the space knows of a point, None where it lies outside."""
        space = self.optimizer.space
        point = {name: value for name, value in values.items() if name in space}
        try:
            space.encode(point)
        except SpaceError:
            return None
        return point


def _value(trial: FrozenTrial) -> float | None:
    """Return the objective of a trial; the last report counts for a pruned one."""
    if trial.value is None and trial.intermediate_values:
        return trial.intermediate_values[max(trial.intermediate_values)]
    return trial.value


def _running(study: Study, trial: FrozenTrial) -> list[Values]:
    """Return what is under evaluation elsewhere, as far as it is known."""
    others = study._get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    return [
        {**_shared(other), **internal(other)}
        for other in others
        if other._trial_id != trial._trial_id
    ]


def _share(study: Study, trial: FrozenTrial, values: Values) -> None:
    """Store what is suggested, as a trial has its parameters only as it runs."""
    text = json.dumps(values)
    for part, start in enumerate(range(0, len(text), LONGEST)):
        study._storage.set_trial_system_attr(
            trial._trial_id, f"{SHARED}:{part}", text[start : start + LONGEST]
        )


def _shared(trial: FrozenTrial) -> Values:
    parts: list[str] = []
    while (part := trial.system_attrs.get(f"{SHARED}:{len(parts)}")) is not None:
        parts.append(part)
    return json.loads("".join(parts)) if parts else {}


def _refuse_objectives(study: Study) -> None:
    if len(study.directions) > 1:
        raise SettingError(
            f"the study has {len(study.directions)} objectives, PFNBOSampler one: make "
            "the others constraints with trial.set_constraint, or use "
            "optuna.samplers.GPSampler for a trade-off."
        )


def _fresh_seed() -> int:
    return int(np.random.SeedSequence().generate_state(1)[0])
