"""Training on a small prior; eight simulated devices would cost eight compilations."""

import csv
import os
import socket
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import jax
import numpy as np
import pytest

from pfnbo import checkpoint
from pfnbo.errors import PretrainError
from pfnbo.metrics import Log, Report
from pfnbo.pfn import anchored, row_token
from pfnbo.pfn.kernel_head import Config
from pfnbo.pfn.loss import loss, standardized
from pfnbo.pfn.models import configured
from pfnbo.pfn.network import put_together
from pfnbo.pretrain import Training, check_groups, pretrain
from pfnbo.recipe import Recipe
from pfnbo.schedule import Schedule, Stage
from pfnbo.tasks.gp import Exact, Gp
from pfnbo.tasks.task import Sizes, draw

SIZES = Sizes(8, 8, 2)
STAGE = Stage(SIZES, groups=4, group=4)
RECIPE = Recipe(
    prior=Exact(Gp(kinds=("matern52",), weights=(1.0,), additive=0.0)),
    sizes=SIZES,
    model=Config(3, 2, cell_width=8, cell_blocks=1, width=16, heads=2),
    schedule=Schedule((STAGE,), steps=120, learning_rate=1e-2, average=0.9),
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    return pretrain(RECIPE, folder, progress=False), folder


def _metrics(folder):
    with (folder / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


def test_the_curve_has_a_row_for_every_fifty_steps_and_the_end(trained):
    rows = _metrics(trained[1])
    assert [int(row["step"]) for row in rows] == [50, 100, 120]
    assert all(row["left_out"] == "0" for row in rows)


def test_it_comes_nearer_to_the_exact_posterior(trained, tmp_path):
    """The exact predictive of the prior is known: a loss is what is above its own."""
    training, _ = trained
    with jax.enable_x64(True):
        tasks = draw(jax.random.key(1_000_000), RECIPE.prior, SIZES, 64, 4)
        tasks = jax.vmap(standardized)(tasks)

        @jax.jit
        def gaps(params):
            network = put_together(training.program.graph, params)
            return jax.vmap(lambda task: loss(network, task))(tasks)

        untrained = gaps(Training(RECIPE, tmp_path).state.params)
        learned = gaps(training.state.average)
    assert np.median(learned) < 0.6 * np.median(untrained)


def test_a_resumed_training_is_the_same_bit_for_bit(trained, tmp_path):
    whole, _ = trained
    with jax.enable_x64(True):
        first = Training(RECIPE, tmp_path)
        for _ in range(60):
            first.one()
        first.save()
    again = pretrain(RECIPE, tmp_path, resume=True, progress=False)
    assert again.done == whole.done == 120
    pairs = zip(*map(jax.tree.leaves, (again.state, whole.state)), strict=True)
    for a, b in pairs:
        np.testing.assert_array_equal(a, b)


def test_an_exported_network_is_the_average(trained, tmp_path):
    training, _ = trained
    training.export(tmp_path / "net", "recipe = ...")
    loaded = checkpoint.load(tmp_path / "net")
    assert loaded.config["tasks_seen"] == training.tasks == 120 * 16
    assert configured(loaded.config["model"]) == RECIPE.model
    jax.tree.map(np.testing.assert_array_equal, loaded.params, training.state.average)


def test_metrics_go_to_tensorboard_too(tmp_path, monkeypatch):
    told = []
    board = SimpleNamespace(
        add_scalar=lambda *args: told.append(args), flush=lambda: told.append("flushed")
    )
    module = SimpleNamespace(SummaryWriter=lambda folder: board)
    monkeypatch.setitem(sys.modules, "tensorboardX", module)
    log = Log(tmp_path, tensorboard=True)
    log.add(STAGE, Report(np.array([1.0, 3.0]), np.array([0, 0]), np.ones(2, bool)))
    training = SimpleNamespace(done=7, total=9, seconds=1.0, recipe=RECIPE)
    log.begin(SimpleNamespace(seconds=0.5))
    row = log.write(training)
    assert row["loss"] == 2.0 and row["tasks_per_second"] == 2 * STAGE.group / 0.5
    assert ("loss", 2.0, 7) in told and told[-1] == "flushed"
    assert len(_metrics(tmp_path)) == 1
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(PretrainError, match="pfnbo.tensorboard"):
        Log(tmp_path, tensorboard=True)


def test_a_state_of_another_network_is_refused(trained):
    _, folder = trained
    other = replace(RECIPE, model=replace(RECIPE.model, width=32))
    with pytest.raises(PretrainError, match="another network"):
        pretrain(other, folder, resume=True, progress=False)


def test_a_training_is_not_overwritten(trained):
    _, folder = trained
    with pytest.raises(PretrainError, match="--resume"):
        pretrain(RECIPE, folder, progress=False)


def test_rows_of_steps_that_were_lost_are_taken_back(tmp_path):
    log = Log(tmp_path)
    told = Report(np.array([1.0]), np.array([0]), np.ones(1, bool))
    for done in (50, 100, 150):
        log.add(STAGE, told)
        log.write(SimpleNamespace(done=done, total=200, seconds=done, recipe=RECIPE))
    again = Log(tmp_path)
    again.begin(SimpleNamespace(done=120, seconds=120.0))
    assert [row["step"] for row in _metrics(tmp_path)] == ["50", "100"]


def test_the_first_parameters_leave_the_average_of_a_short_training():
    schedule = Schedule(average=0.998)
    share = np.prod([schedule.keep(step) for step in range(100)])
    assert share < 1e-6 and schedule.keep(10**6) == 0.998


def test_nothing_to_resume_is_an_error(tmp_path):
    with pytest.raises(PretrainError, match="nothing to resume"):
        pretrain(RECIPE, tmp_path, resume=True, progress=False)


def test_ctrl_c_keeps_what_was_learned(tmp_path, monkeypatch):
    one = Training.one

    def interrupted(self):
        if self.done == 3:
            raise KeyboardInterrupt
        return one(self)

    monkeypatch.setattr(Training, "one", interrupted)
    stopped = pretrain(RECIPE, tmp_path, progress=False)
    assert stopped.done == 3
    with jax.enable_x64(True):
        again = Training(RECIPE, tmp_path)
        again.load()
    assert again.done == 3


def test_a_budget_sets_the_number_of_steps(tmp_path):
    training = pretrain(RECIPE, tmp_path, budget=1.0, progress=False)
    assert 1 <= training.done == training.total != RECIPE.schedule.steps
    more = pretrain(RECIPE, tmp_path, budget=0.5, resume=True, progress=False)
    assert training.total < more.done == more.total


def test_a_budget_is_shared_by_the_sizes_that_are_still_to_come(tmp_path, monkeypatch):
    small, large = STAGE, replace(STAGE, groups=8, begin=0.5)
    cost = {small: 1.0, large: 3.0}
    monkeypatch.setattr(Training, "_cost", lambda self, stage: cost[stage])
    schedule = replace(RECIPE.schedule, stages=(small, large))
    training = Training(replace(RECIPE, schedule=schedule), tmp_path)
    training.fit_budget(300.0)  # half of the steps cost 1, half cost 2 in the mean
    assert abs(training.total - 200) <= 2
    training.done = 100  # of 100 + 200: 50 more cost 1, and 150 cost 2
    training.fit_budget(350.0)
    assert abs(training.total - 300) <= 2


def test_tasks_seen_are_not_counted_anew_where_the_end_moves(tmp_path):
    small, large = STAGE, replace(STAGE, groups=8, begin=0.5)
    schedule = replace(RECIPE.schedule, stages=(small, large), steps=4)
    with jax.enable_x64(True):
        training = Training(replace(RECIPE, schedule=schedule), tmp_path)
        sizes = [training.stage(0), training.stage(1)]
        training.one(), training.one()
        training.save()
        training.load()
        training.total = 1000
    assert training.tasks == sum(s.groups * s.group for s in sizes)


def test_bad_gradients_are_left_out(tmp_path):
    with jax.enable_x64(True):
        training = Training(RECIPE, tmp_path)
        broken = jax.tree.map(lambda a: a * np.nan, training.state.params)
        training.state = training.state._replace(params=broken)
        _, report = training.one()
        assert not report.finite.any()
        moments = jax.tree.leaves(training.state.optimizer)
        assert all(np.isfinite(a).all() for a in moments)


DEVICES = """
import sys, jax
jax.config.update("jax_num_cpu_devices", 2)
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from test_pretrain import RECIPE
from pfnbo.pretrain import Training
with jax.enable_x64(True):
    for devices in (jax.devices()[:1], jax.devices()):
        training = Training(RECIPE, Path("."), devices=devices)
        losses = [training.one()[1].loss for _ in range(3)]
        print(*[f"{x:.9f}" for loss in losses for x in loss])
"""


def test_two_devices_draw_the_curve_of_one(request):
    here = str(request.path.parent)
    # Simulated devices wait for each other, which takes more threads than cores.
    out = subprocess.check_output(
        [sys.executable, "-c", DEVICES, here],
        env={**os.environ, "NPROC": "8"},
        text=True,
        timeout=300,
    )
    one, two = (np.array(line.split(), float) for line in out.splitlines())
    np.testing.assert_allclose(one[:4], two[:4], rtol=1e-6)
    # The order of a sum in float32 is not the same, and each step magnifies it.
    np.testing.assert_allclose(one, two, rtol=3e-3)


HOST = """
import sys, jax
jax.config.update("jax_cpu_collectives_implementation", "gloo")
address, index, here, folder = sys.argv[1:]
jax.distributed.initialize(address, num_processes=2, process_id=int(index))
sys.path.insert(0, here)
from pathlib import Path
import numpy as np
from test_pretrain import RECIPE, first_losses
from pfnbo.pretrain import Training
with jax.enable_x64(True):
    training = Training(RECIPE, Path(folder))
    losses = first_losses(training)
    training.save()
np.save(folder, losses)
"""


def first_losses(training):
    return np.concatenate([training.one()[1].loss for _ in range(3)])


def test_two_hosts_draw_the_curve_of_one(request, tmp_path):
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    here, folders = str(request.path.parent), [tmp_path / "0", tmp_path / "1"]
    hosts = [
        subprocess.Popen([sys.executable, "-c", HOST, address, str(i), here, str(f)])
        for i, f in enumerate(folders)
    ]
    assert [host.wait(timeout=300) for host in hosts] == [0, 0]
    assert [f.exists() for f in folders] == [True, False]  # the first host writes
    with jax.enable_x64(True):
        one = first_losses(Training(RECIPE, tmp_path))
    for folder in folders:  # as with two devices, above
        two = np.load(f"{folder}.npy")
        np.testing.assert_allclose(one[:4], two[:4], rtol=1e-6)
        np.testing.assert_allclose(one, two, rtol=3e-3)


def test_groups_must_spread_over_the_devices():
    check_groups(RECIPE.schedule, 2)
    with pytest.raises(PretrainError, match="multiple of 3"):
        check_groups(RECIPE.schedule, 3)


def test_a_checkpoint_is_trained_further(trained, tmp_path):
    training, _ = trained
    training.export(tmp_path / "net", "recipe = ...")
    with jax.enable_x64(True):
        again = Training(RECIPE, tmp_path / "run", start=tmp_path / "net")
        pairs = (again.state.params, training.state.average)
        jax.tree.map(np.testing.assert_array_equal, *pairs)
        again.one()
        assert again.tasks == training.tasks + 16
        again.save()
        resumed = Training(RECIPE, tmp_path / "run")
        resumed.load()
    assert resumed.tasks == again.tasks


def test_a_checkpoint_of_another_network_is_no_start(trained, tmp_path):
    trained[0].export(tmp_path / "net", "recipe = ...")
    other = replace(RECIPE, model=replace(RECIPE.model, width=32))
    with pytest.raises(PretrainError, match="kernel_head.*model=Config"):
        Training(other, tmp_path / "run", start=tmp_path / "net")


def test_a_network_starts_from_the_checkpoint_of_a_part_and_leaves_it(
    trained, tmp_path
):
    training, _ = trained
    training.export(tmp_path / "net", "")
    row = row_token.Config(width=16, layers=1, heads=2, cell_width=8, components=1)
    model = anchored.Config(RECIPE.model, row)
    with jax.enable_x64(True):
        whole = Training(replace(RECIPE, model=model), tmp_path, start=tmp_path / "net")
        before = jax.tree.map(np.asarray, whole.state.params)
        for _ in range(2):  # the rate of the first step is 0
            whole.one()
        after = jax.tree.map(np.asarray, whole.state.params)
    jax.tree.map(np.testing.assert_array_equal, after["kernel"], training.state.average)
    moved = jax.tree.map(lambda a, b: np.any(a != b), before["row"], after["row"])
    assert any(jax.tree.leaves(moved))
    assert whole.tasks == training.tasks + 32


MODELS = [RECIPE.model, row_token.Config(width=16, layers=1, heads=2, cell_width=8)]


@pytest.mark.parametrize("model", MODELS, ids=["kernel_head", "row_token"])
def test_products_in_bfloat16_give_nearly_the_same_first_losses(model, tmp_path):
    losses = {}
    with jax.enable_x64(True):
        for compute in ("float32", "bfloat16"):
            schedule = replace(RECIPE.schedule, compute=compute)
            recipe = replace(RECIPE, model=model, schedule=schedule)
            training = Training(recipe, tmp_path)
            losses[compute] = np.concatenate([training.one()[1].loss for _ in range(3)])
            kinds = {a.dtype for a in jax.tree.leaves(training.state.params)}
            assert kinds == {np.dtype("float32")}
    gap = np.abs(losses["bfloat16"] - losses["float32"])
    assert 0 < gap.max() < 0.1


def test_drawn_targets_score_the_value_and_not_the_predictive(tmp_path):
    model = row_token.Config(width=8, layers=1, heads=2, cell_width=8, components=1)
    found = {}
    with jax.enable_x64(True):
        for targets in ("exact", "drawn"):
            schedule = replace(RECIPE.schedule, targets=targets)
            recipe = replace(RECIPE, model=model, schedule=schedule)
            found[targets] = Training(recipe, tmp_path).one()[1].loss
    # An untrained network is worse than the truth, and a value may be a likely one.
    assert np.all(found["exact"] > 0)
    assert np.all(np.abs(found["drawn"] - found["exact"]) > 1e-3)


@pytest.mark.parametrize("name", ["optimizer", "decay", "compute", "targets"])
def test_a_schedule_of_unknown_words_is_refused(name):
    with pytest.raises(PretrainError, match=f"{name} is 'fast': wanted one of"):
        Schedule(**{name: "fast"})


def test_a_network_that_corrects_another_must_start_from_it(tmp_path):
    model = anchored.Config(RECIPE.model, row_token.Config(width=16, heads=2))
    with pytest.raises(PretrainError, match="--start"):
        pretrain(replace(RECIPE, model=model), tmp_path, progress=False)


def test_an_exported_network_knows_what_it_was_trained_on():
    stages = (Stage(Sizes(32, 8, 3)), Stage(Sizes(16, 8, 5)))
    assert Schedule(stages).sizes == Sizes(32, 8, 5)
