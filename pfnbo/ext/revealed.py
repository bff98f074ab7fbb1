"""The search space that Optuna's trials reveal, with its conditions."""

from collections import defaultdict

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial, TrialState

from pfnbo.dimensions import Categorical, Dimension, Float, Int
from pfnbo.space import Space

Values = dict[str, float]  # parameters in Optuna's internal form
When = dict[str, list[float]]  # as of a dimension
MOST = 64  # values of a parameter that others may depend on


class Revealed:
    """What the finished trials of one study tell, each added once.

    A parameter is active always if every complete trial has it. Otherwise it depends on
    the first discrete parameter, among those suggested before it, whose values tell
    where it appears; values never seen count as places where it does.
    """

    def __init__(self) -> None:
        """Know nothing."""
        self.trials: dict[int, FrozenTrial] = {}  # by id, in the order of adding
        self.constraints: dict[str, None] = {}  # names in the order of appearance
        self._complete = 0
        self._distributions: dict[str, BaseDistribution] = {}
        self._changed: set[str] = set()
        self._earlier: dict[str, list[str]] = {}  # parameters suggested before it
        self._having: dict[str, set[int]] = defaultdict(set)  # ids of trials
        self._at: dict[str, dict[float, set[int]]] = {}  # the same by value
        self._whens: dict[str, When] | None = None
        self._told: set[str] = set()

    def add(self, trial: FrozenTrial) -> None:
        """Learn from a finished trial; only a complete one has all its parameters."""
        self.trials[trial._trial_id] = trial
        self.constraints |= dict.fromkeys(trial.constraints)
        if trial.state != TrialState.COMPLETE:
            return
        self._complete, self._whens = self._complete + 1, None
        values = internal(trial)
        names = list(values)
        for i, name in enumerate(names):
            distribution = trial.distributions[name]
            if self._distributions.setdefault(name, distribution) != distribution:
                self._changed.add(name)
            self._earlier.setdefault(name, names[:i])
            self._having[name].add(trial._trial_id)
            at = self._at.setdefault(name, defaultdict(set))
            at[values[name]].add(trial._trial_id)

    def search_space(self) -> dict[str, BaseDistribution]:
        """Return the parameters that vary and are understood."""
        return {
            name: self._distributions[name]
            for name in self.whens()
            if not self._distributions[name].single()
        }

    def whens(self) -> dict[str, When]:
        """Return the conditions of each parameter that is understood."""
        if self._whens is None:
            self._whens = {}
            for name in self._distributions:
                when = None if name in self._changed else self._when(name)
                if when is not None:
                    self._whens[name] = when
        return self._whens

    def reason(self, name: str) -> str:
        """Return why the model leaves a known parameter out; nothing a second time."""
        if name in self._told or name not in self._distributions:
            return ""
        if name in self._changed:
            reason = "its range has changed"
        elif name not in self.whens():
            reason = "no other parameter with few values tells where it appears"
        else:
            return ""
        self._told.add(name)
        return reason

    def _when(self, name: str) -> When | None:
        here = self._having[name]
        if len(here) == self._complete:
            return {}
        for parent in self._earlier[name]:
            legal = _values(self._distributions[parent])
            if not legal or parent not in (self._whens or {}):
                continue
            at = self._at[parent]
            apart = {value for value, trials in at.items() if not trials <= here}
            inside = here <= set().union(*(at[v] for v in at.keys() - apart))
            if inside:
                return {parent: [value for value in legal if value not in apart]}
        return None


def internal(trial: FrozenTrial) -> Values:
    """Return the parameters of a trial in Optuna's internal form."""
    return {
        n: trial.distributions[n].to_internal_repr(v) for n, v in trial.params.items()
    }


def as_space(
    search_space: dict[str, BaseDistribution], whens: dict[str, When]
) -> Space:
    """Return the space of Optuna's internal values.

    Conditions on parameters that are not in the search space are left out.
    """
    dimensions = {}
    for name, distribution in search_space.items():
        given = whens.get(name, {}).items()
        when = {parent: values for parent, values in given if parent in search_space}
        dimensions[name] = _dimension(distribution, when or None)
    return Space(dimensions)


def _dimension(distribution: BaseDistribution, when: When | None) -> Dimension:
    if isinstance(distribution, CategoricalDistribution):
        return Categorical(tuple(range(len(distribution.choices))), when=when)
    assert isinstance(distribution, (FloatDistribution, IntDistribution))
    low, high, step = distribution.low, distribution.high, distribution.step
    if isinstance(distribution, IntDistribution) and step == 1:
        return Int(int(low), int(high), log=distribution.log, when=when)
    return Float(low, high, log=distribution.log, step=step, when=when)


def _values(distribution: BaseDistribution) -> list[float]:
    """Return the values of a parameter with few of them, else nothing."""
    dimension = _dimension(distribution, None)
    few = 1 < dimension.levels <= MOST
    return [dimension.nth(level) for level in range(dimension.levels)] if few else []
