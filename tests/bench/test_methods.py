"""Every method keeps the contract; penalties, failures and foreign commands."""

import sys
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm, yeojohnson

import pfnbo
from pfnbo import problems
from pfnbo.bench.methods import METHODS, label, load, ours, scbo
from pfnbo.bench.trace import Trace, shared_design, violation
from pfnbo.errors import BenchError
from pfnbo.predictive import Normal

PEER = """
import json, random, sys
task = json.loads(sys.stdin.readline())
rng = random.Random(task["seed"])
assert len(task["x"]) == len(task["f"]) == len(task["g"]) == 4
assert task["constraints"] and task["n_trials"] == 7
while True:
    x = []
    for d in task["dimensions"]:
        if d["kind"] == "choice":
            x.append(rng.choice(d["choices"]))
        elif d["kind"] == "int":
            x.append(rng.randint(d["low"], d["high"]))
        else:
            x.append(rng.uniform(d["low"], d["high"]))
    print(json.dumps({"x": x, "cpu": 0.5}), flush=True)
    answer = sys.stdin.readline()
    if not answer:
        break
    assert set(json.loads(answer)) == {"f", "g"}
"""

# The programs of "pfnbo" with another model, which take minutes to compile.
CHEAP = [name for name in METHODS if name != "pfnbo_network"]


@pytest.mark.filterwarnings("default")  # those of other libraries are theirs
@pytest.mark.parametrize("name", CHEAP)
def test_a_method_evaluates_the_design_and_then_what_it_chooses(name):
    if not METHODS[name].installed:
        pytest.skip(f"{METHODS[name].package} is not installed")
    problem = problems.get("gomez3")
    x_init = shared_design(problem, 5, seed=3)
    rows = load(name)(problem, x_init, 9, 3)
    assert len(rows) == 9
    first = Trace(problem)
    first.design(x_init)
    assert [row.f for row in rows[:5]] == [row.f for row in first.rows]
    assert all(row.cpu == 0 for row in rows[:5])
    assert all(row.wall > 0 for row in rows[5:])
    assert len({row.f for row in rows[5:]}) > 1


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("name", ["cma", "optuna_tpe", "pymoo", "scipy_de"])
def test_a_method_takes_steps_and_whole_numbers(name):
    pytest.importorskip(METHODS[name].module)
    problem = problems.get("pressure_vessel")
    rows = load(name)(problem, shared_design(problem, 6, 0), 10, 0)
    assert len(rows) == 10 and all(np.isfinite(row.f) for row in rows)


def test_a_command_is_a_method(tmp_path):
    script = tmp_path / "peer.py"
    script.write_text(PEER)
    spec = f"mine={sys.executable} {script}"
    problem = problems.get("pressure_vessel")
    rows = load(spec)(problem, shared_design(problem, 4, 0), 7, 0)
    assert label(spec) == "mine" and len(rows) == 7
    assert [row.cpu for row in rows] == [0.0] * 4 + [0.5] * 3


def test_a_command_that_answers_nonsense_is_told_what_is_wanted():
    problem = problems.get("gomez3")
    spec = f"{sys.executable} -c \"print('hello')\""
    with pytest.raises(BenchError, match=r"wanted one line such as"):
        load(f"mine={spec}")(problem, shared_design(problem, 4, 0), 7, 0)


def test_a_missing_package_says_what_to_type(monkeypatch):
    lost = replace(METHODS["cma"], module="no_such_module")
    monkeypatch.setitem(METHODS, "cma", lost)
    with pytest.raises(BenchError, match="pip install cma"):
        load("cma")


def test_settings_reach_the_method(monkeypatch):
    seen = {}
    monkeypatch.setattr(
        "pfnbo.bench.methods.ours.pfnbo.optimize",
        lambda *_, **given: seen.update(given),
    )
    problem = problems.get("branin")
    load("pfnbo:acquisition=ucb,noise=0.0")(problem, np.zeros((0, 2)), 3, 1)
    assert (seen["acquisition"], seen["noise"]) == ("ucb", 0.0)
    load("pfnbo_network")(problem, np.zeros((0, 2)), 3, 1)
    assert type(seen["surrogate"]).__name__ == "PFN"


def test_every_surrogate_can_be_compared():
    made = {type(make()).__name__ for make in ours.SURROGATES.values()}
    fitted = {n for n in pfnbo.__all__ if hasattr(getattr(pfnbo, n), "fit")}
    assert fitted - {"PFNRegressor"} <= made


def test_a_penalty_lies_above_the_design_and_grows_with_the_violation():
    problem = problems.get("gomez3")
    trace = Trace(problem)
    trace.design(shared_design(problem, 8, 0))
    mild, grave = (trace.penalised(-5.0, np.array([g])) for g in (0.1, 2.0))
    assert max(trace.f) < mild < grave
    assert trace.penalised(-5.0, np.array([-1.0])) == -5.0


def test_a_failed_evaluation_is_kept_as_one_and_told_as_the_worst():
    branin = problems.get("branin")
    calls = iter([False, True, False])

    def flaky(x):
        if next(calls):
            raise ZeroDivisionError
        return branin.fn(x)

    trace = Trace(replace(branin, fn=flaky))
    told = [trace.evaluate([0.0, 2.0])[0] for _ in range(3)]
    assert told[1] == max(told)
    assert [np.isnan(row.f) for row in trace.rows] == [False, True, False]


def test_a_violation_below_the_tolerance_is_none():
    assert violation(np.array([1e-4, -1]), tolerance=1e-3) == 0
    assert violation(np.array([1e-4, -1])) == 1e-4
    assert violation(np.zeros(0)) == 0


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Told:
    """A posterior of two outputs that are lines in the first column."""

    slopes: jax.Array
    sd: jax.Array

    def fit(self, key, data):
        return self

    def observe(self, x):
        return Normal(self.slopes * x[0], self.sd)


@pytest.mark.parametrize("plus", [False, True])
def test_the_rule_of_pfn4sbo_weighs_improvement_by_feasibility(plus):
    trace = Trace(problems.get("gomez3"))
    trace.design(shared_design(trace.problem, 6, 0))
    model = Told(jnp.array([3.0, -3.0]), jnp.array([0.7, 2.0]))
    rows = np.linspace(0, 1, 41)[:, None] * np.ones(trace.space.columns)
    y = -np.array(trace.f)
    best = ((y - y.mean()) / y.std()).max()
    g = -np.array(trace.g)[:, 0]
    z = yeojohnson(g / g.std())[0]
    edge = -z.mean() / z.std()  # where the constraint is 0
    u = (3 * rows[:, 0] - best) / 0.7
    improvement = 0.7 * (u * norm.cdf(u) + norm.pdf(u))
    safe = norm.sf((edge + 3 * rows[:, 0]) / 2)
    safe = np.minimum(2 * safe, 1) if plus else safe
    expected = np.argmax(improvement * safe)
    assert 0 < expected < 40
    assert ours._best_candidate(trace, rows, model, plus) == expected


def test_the_region_of_scbo_grows_with_success_and_shrinks_without():
    region = scbo.Region(patience=4)
    for _ in range(3):
        region.learn(True)
    assert region.side == 1.6 and region.wins == 0
    for better in (False, False, True, False, False, False):
        region.learn(better)
    assert region.side == 1.6  # a success starts the count anew
    region.learn(False)
    assert region.side == 0.8


def test_scbo_leads_from_the_best_feasible_point_or_the_least_violated():
    trace = Trace(problems.get("gomez3"))
    trace.f, trace.g = [1.0, 2.0, 0.0], [np.array([v]) for v in (0.3, 0.1, 0.2)]
    assert scbo.leader(trace) == 1
    trace.f.append(5.0)
    trace.g.append(np.array([-1.0]))
    assert scbo.leader(trace) == 3
