import threading
import time
from concurrent.futures import Executor, Future, ThreadPoolExecutor

import pytest

from pfnbo import Optimizer, optimize
from pfnbo.crew import Crew
from pfnbo.storage import open_storage

BOX = [(0.0, 1.0)]


class _Held(Executor):
    """Evaluations that end when they are told to."""

    def __init__(self):
        self.begun = []

    def submit(self, fn, /, *args, **kwargs):
        future = Future()
        self.begun.append((future, fn(*args, **kwargs)))
        return future

    def end(self, number):
        future, outcome = self.begun[number]
        future.set_result(outcome)


def _crew(size, seconds=None):
    held = _Held()
    crew = Crew(held, lambda x: -x, size)
    if seconds is not None:
        crew._took.append(seconds)
    return crew, held


def test_a_crew_wants_as_many_points_as_it_has_workers():
    crew, held = _crew(2)
    for point in (1, 2):
        assert crew.wants([9.0])
        crew.take(point)
    assert not crew.wants([9.0]) and len(held.begun) == 2
    held.end(1)
    assert [(point, call()) for point, call in crew.ended()] == [(2, -2)]
    assert crew.busy and crew.wants([9.0])


@pytest.mark.parametrize(
    "size, suggestion, evaluation, ahead",
    [
        (8, 0.1, 1.0, 1),
        (8, 0.2, 1.0, 2),
        (8, 5.0, 1.0, 8),
        (8, 0.1, 3600.0, 0),
        (1, 5.0, 1.0, 0),
        (8, None, 1.0, 0),
        (8, 0.1, None, 0),
    ],
)
def test_points_are_chosen_early_only_where_workers_would_wait(
    size, suggestion, evaluation, ahead
):
    crew, held = _crew(size, evaluation)
    suggestions, taken = [] if suggestion is None else [suggestion], 0
    while crew.wants(suggestions):
        crew.take(taken)
        taken += 1
    assert taken == size + ahead and len(held.begun) == size


def test_what_has_ended_is_told_before_a_point_is_chosen_early():
    crew, held = _crew(2, 0.1)
    crew.take(0)
    crew.take(1)
    assert crew.wants([1.0])
    held.end(0)
    assert not crew.wants([1.0])


def test_ready_points_begin_in_their_order_and_may_be_dismissed():
    crew, held = _crew(1)
    for point in range(4):
        crew.take(point)
    assert len(held.begun) == 1
    held.end(0)
    assert [point for point, _ in crew.ended()] == [0]
    crew.launch()
    assert [outcome for _, outcome in held.begun] == [0, -1]
    crew.dismiss()
    held.end(1)
    list(crew.ended())
    crew.launch()
    assert not crew.busy and len(held.begun) == 2


def test_a_run_with_points_chosen_early_evaluates_each_once():
    seen, lock = [], threading.Lock()

    def fn(x):
        time.sleep(0.002)
        with lock:
            seen.append(float(x[0]))
        return (x[0] - 0.3) ** 2

    with ThreadPoolExecutor(4) as pool:
        result = optimize(fn, BOX, 24, seed=0, n_initial=4, executor=pool, batch_size=4)
    assert result.nfev == 24 and result.stop_reason == "n_trials"
    assert sorted(seen) == sorted(float(x[0]) for x in result.x_iters)
    assert len(set(seen)) == 24 and result.fun < 1e-3


def test_points_chosen_early_and_not_begun_are_the_next_ones(tmp_path):
    path = tmp_path / "study.journal"

    def fn(x):
        time.sleep(0.002)
        return float(x[0])

    with ThreadPoolExecutor(3) as pool:
        settings = dict(seed=0, n_initial=3, storage=path, executor=pool, batch_size=3)
        optimize(fn, BOX, 30, callback=lambda r: r.nfev >= 12, **settings)
        left = Optimizer(BOX, storage=path).pending
        result = optimize(fn, BOX, 30, **settings)
    assert result.nfev == 30
    storage = open_storage(path)
    trials = storage.get_all_trials(storage.get_all_studies()[0]._study_id)
    ended = [t.params["x0"] for t in trials if t.state.is_finished()]
    assert len(set(ended)) == 30 and {float(x[0]) for x in left} <= set(ended)
