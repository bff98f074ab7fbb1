import copy
from typing import Any

import numpy as np
import pytest

optuna = pytest.importorskip("optuna")

from optuna.distributions import (  # noqa: E402
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.testing.pytest_samplers import (  # noqa: E402
    BasicSamplerTestCase,
    RelativeSamplerTestCase,
    SingleOnlySamplerTestCase,
)
from optuna.trial import TrialState, create_trial  # noqa: E402

from pfnbo import GP, Optimizer, SettingError  # noqa: E402
from pfnbo.ext.optuna import SHARED, PFNBOSampler, _shared  # noqa: E402
from pfnbo.ext.revealed import Revealed, as_space  # noqa: E402

optuna.logging.set_verbosity(optuna.logging.ERROR)
FAST = GP(warp=False, steps=20)
KIND = CategoricalDistribution(("flat", "deep"))
UNIT = FloatDistribution(0, 1)


class TestConformance(
    BasicSamplerTestCase, RelativeSamplerTestCase, SingleOnlySamplerTestCase
):
    @pytest.fixture
    def sampler(self) -> Any:
        # One acquisition is one compilation less for each search space.
        return lambda: PFNBOSampler(seed=0, surrogate=FAST, acquisition="ei")


def _study(**settings):
    direction = settings.pop("direction", "minimize")
    sampler = PFNBOSampler(**{"seed": 0, "surrogate": FAST, **settings})
    return optuna.create_study(sampler=sampler, direction=direction)


def _done(params, value=1.0, state=TrialState.COMPLETE, constraints=None):
    distributions = {
        name: KIND
        if name == "kind"
        else IntDistribution(1, 4)
        if name == "depth"
        else UNIT
        for name in params
    }
    return create_trial(
        params=params,
        distributions=distributions,
        value=value if state == TrialState.COMPLETE else None,
        state=state,
        constraints=constraints,
    )


def _bowl(trial):
    x, y = trial.suggest_float("x", -1, 1), trial.suggest_float("y", -1, 1)
    return (x - 0.3) ** 2 + (y + 0.2) ** 2


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_the_best_point_is_found(direction):
    sign = 1 if direction == "minimize" else -1
    study = _study(direction=direction)
    study.optimize(lambda trial: sign * _bowl(trial), n_trials=16)
    assert abs(study.best_value) < 1e-3


def test_suggestions_are_those_of_the_optimizer():
    study = _study()
    study.optimize(_bowl, n_trials=8)
    twin = Optimizer({"x": (-1, 1), "y": (-1, 1)}, seed=0, surrogate=FAST)
    for trial in study.trials:
        twin.tell(trial.params, trial.value)
    asked = study.ask()
    _bowl(asked)
    assert asked.params == twin.ask()[0]


def _constrained(trial):
    value = -_bowl(trial)
    trial.set_constraint("x", trial.params["x"] + 0.4)
    return value


def test_constraints_hold_at_the_best_trial():
    study = _study(direction="maximize")
    study.optimize(_constrained, n_trials=16)
    assert study.best_trial.constraints["x"] <= 0
    np.testing.assert_allclose(study.best_params["x"], -0.4, atol=0.05)


def test_the_older_form_of_constraints_is_the_same():
    newer, older = _study(), _study(constraints_func=lambda t: (t.params["x"] + 0.4,))
    newer.optimize(lambda trial: -_constrained(trial), n_trials=7)
    older.optimize(_bowl, n_trials=7)
    assert [t.params for t in newer.trials] == [t.params for t in older.trials]
    assert list(older.trials[-1].constraints.values()) == [
        older.trials[-1].params["x"] + 0.4
    ]


def _branches(trial):
    """Lowest, 0, where kind is deep, depth 3 and b 0.7."""
    if trial.suggest_categorical("kind", KIND.choices) == "flat":
        return 0.5 + trial.suggest_float("a", 0, 1)
    depth = trial.suggest_int("depth", 1, 4)
    if depth < 3:
        return 0.4
    return abs(depth - 3) / 4 + (trial.suggest_float("b", 0, 1) - 0.7) ** 2


def test_conditions_are_read_off_the_trials():
    study = _study(n_startup_trials=8, acquisition="ei")
    study.optimize(_branches, n_trials=22)
    engine = study.sampler._engine
    whens = {name: d.when for name, d in engine.optimizer.space.dimensions.items()}
    assert whens == {
        "kind": None,
        "a": {"kind": [0]},
        "depth": {"kind": [1]},
        "b": {"depth": [3, 4]},
    }
    assert study.best_value < 0.01
    for trial in study.trials[8:]:
        # The model suggests all that the objective wants.
        assert trial.params.keys() <= _shared(trial).keys()


def test_values_never_seen_count_as_places_of_a_parameter():
    revealed = Revealed()
    for i, params in enumerate(({"depth": 1}, {"depth": 3, "x": 0.5})):
        trial = _done(params)
        trial._trial_id = i
        revealed.add(trial)
    assert revealed.whens() == {"depth": {}, "x": {"depth": [2, 3, 4]}}
    space = as_space(revealed.search_space(), revealed.whens())
    assert space.cardinality == np.inf and space["x"].when == {"depth": [2, 3, 4]}


def test_a_parameter_that_nothing_explains_is_left_to_the_independent_sampler(caplog):
    study = _study()
    for params in ({"x": 0.1}, {"x": 0.9, "y": 0.5}, {"x": 0.8}):
        study.add_trial(_done(params))
    trial = study.ask()
    space = study.sampler.infer_relative_search_space(study, trial)
    assert space == {"x": UNIT}
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    optuna.logging.enable_propagation()
    for _ in range(2):
        assert 0 <= study.sampler.sample_independent(study, trial, "y", UNIT) <= 1
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    optuna.logging.disable_propagation()
    assert caplog.text.count("no other parameter") == 1


def test_running_trials_are_pending_even_before_they_have_parameters():
    study = _study()
    study.optimize(_bowl, n_trials=6)
    trials = [study.ask() for _ in range(3)]
    suggested = [tuple(trial.relative_params.values()) for trial in trials]
    assert len(set(suggested)) == 3
    study.optimize(_bowl, n_trials=1)
    assert len(study.sampler._engine.optimizer.pending) == 4  # three, and its own


def test_long_suggestions_are_shared_in_parts():
    study = _study()
    distributions = {f"parameter_{i:03}": UNIT for i in range(100)}
    study.tell(study.ask(distributions), 1.0)
    trial = study.ask(distributions)
    attributes = study.trials[-1].system_attrs
    parts = [v for k, v in attributes.items() if k.startswith(SHARED)]
    assert len(parts) > 1 and max(map(len, parts)) <= 2045
    assert _shared(study.trials[-1]) == trial.params


def test_failed_and_pruned_trials_are_told():
    study = _study()
    study.add_trial(_done({"x": 0.1}))
    study.add_trial(_done({"x": 0.3}, state=TrialState.FAIL))
    study.add_trial(_done({}, state=TrialState.FAIL))
    pruned = study.ask()
    pruned.suggest_float("x", 0, 1)
    pruned.report(7.0, 0)
    pruned.report(5.0, 1)
    study.tell(pruned, state=TrialState.PRUNED)
    empty = study.ask()
    empty.suggest_float("x", 0, 1)
    study.tell(empty, state=TrialState.PRUNED)
    study.ask({"x": UNIT})
    result = study.sampler._engine.optimizer.result()
    np.testing.assert_array_equal(result.func_vals, [1.0, np.nan, 5.0])
    assert result.n_failed == 1


def test_a_finite_space_is_asked_once_each_and_then_again():
    study = _study()
    study.optimize(lambda t: t.suggest_int("k", 0, 5), n_trials=9)
    assert {t.params["k"] for t in study.trials[:7]} == set(range(6))


def test_a_sampler_serves_one_study_after_the_other():
    sampler = PFNBOSampler(seed=0, surrogate=FAST)
    runs = []
    for _ in range(2):
        study = optuna.create_study(sampler=copy.deepcopy(sampler))
        study.enqueue_trial({"x": 0.5, "y": 0.5})
        study.optimize(_bowl, n_trials=6)
        again = optuna.create_study(sampler=sampler)
        again.optimize(_bowl, n_trials=6)
        runs.append([t.params for t in study.trials[1:]])
    assert runs[0] == runs[1]
    assert len(sampler._revealed.trials) == 5  # those ended at the last suggestion


def test_threads_with_seeds_of_their_own():
    study = _study()
    study.optimize(_bowl, n_trials=10, n_jobs=2)
    assert len({tuple(t.params.values()) for t in study.trials}) == 10
    seed = study.sampler._seed
    study.sampler.reseed_rng()
    assert study.sampler._seed != seed


def test_several_objectives_are_refused_with_advice():
    study = optuna.create_study(directions=["minimize"] * 2, sampler=PFNBOSampler())
    with pytest.raises(SettingError, match="set_constraint"):
        study.ask({"x": UNIT})


@pytest.mark.parametrize(
    "settings",
    [
        dict(seed=-1),
        dict(n_startup_trials=-1),
        dict(acquisition="entropy"),
        dict(surrogate="gp"),
        dict(constraints_func=3),
        dict(warn_independent_sampling="yes"),
    ],
)
def test_settings_without_meaning_are_refused(settings):
    with pytest.raises(SettingError):
        PFNBOSampler(**settings)
