"""Trains a network on tasks that are drawn on the device inside the compiled step."""

import contextlib
import functools
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from safetensors import safe_open
from safetensors.numpy import save_file
from tqdm import tqdm

from pfnbo import checkpoint
from pfnbo.compilation import jit
from pfnbo.errors import PretrainError
from pfnbo.metrics import Log, Report
from pfnbo.pfn.blocks import use_bfloat16
from pfnbo.pfn.loss import loss, standardized
from pfnbo.pfn.models import Config, begun, configured, described, frozen
from pfnbo.pfn.network import put_together, taken_apart
from pfnbo.recipe import Recipe
from pfnbo.schedule import OPTIMIZERS, Schedule, Stage
from pfnbo.tasks.task import draw_group

AXIS = "tasks"  # of the mesh, over which the groups of a step are spread
STATE = "state.safetensors"
SAVE_EVERY = 120.0  # seconds
LOG_EVERY = 50  # steps
TIMED = 5  # steps of each stage that a time budget is measured by


class State(NamedTuple):
    """Everything that a step changes."""

    params: dict[str, Any]
    optimizer: Any
    average: Any  # exponential moving average of the parameters


@dataclass(frozen=True)
class Program:
    """The static parts of the compiled step."""

    prior: Any
    graph: Any
    schedule: Schedule
    standardize: bool
    frozen: tuple[str, ...]  # branches of the parameters that no step changes
    mesh: Mesh

    @functools.cached_property
    def optimizer(self) -> optax.GradientTransformation:
        """The optimiser at rate 1, so that one program serves every rate."""
        s = self.schedule
        optimizer = OPTIMIZERS[s.optimizer](1.0, weight_decay=s.weight_decay)
        return optax.chain(optax.clip_by_global_norm(s.clip), optimizer)

    def first(self, params: Any) -> State:
        """Return the state before any step."""
        return State(params, self.optimizer.init(params), params)

    def step(
        self,
        stage: Stage,
        state: State,
        key: jax.Array,
        rate: jax.Array,
        keep: jax.Array,
    ) -> tuple[State, Report]:
        """Return the state after one step, and what was seen in it."""
        keys = jax.random.split(key, stage.groups)
        spread = jax.shard_map(
            functools.partial(self._gradient, stage),
            mesh=self.mesh,
            in_specs=(PartitionSpec(), PartitionSpec(AXIS)),
            out_specs=PartitionSpec(),
            check_vma=False,
        )
        gradient, report = spread(state.params, keys)
        updates, optimizer = self.optimizer.update(
            gradient, state.optimizer, state.params
        )
        updates = jax.tree.map(lambda u: u * rate.astype(u.dtype), updates)
        kept = {name: state.params[name] for name in self.frozen}
        params: Any = optax.apply_updates(state.params, updates)
        params = params | kept
        average = jax.tree.map(
            lambda a, p: keep * a + (1 - keep) * p, state.average, params
        )
        return State(params, optimizer, average), report

    def _gradient(self, stage: Stage, params, keys) -> tuple[Any, Report]:
        """Return the mean gradient over all groups of all devices, and every report."""

        def add(total, key):
            gradient, report = self._of_group(stage, params, key)
            return jax.tree.map(jnp.add, total, gradient), report

        zero = jax.tree.map(jnp.zeros_like, params)
        total, report = jax.lax.scan(add, zero, keys)
        count = jax.lax.psum(jnp.sum(report.finite), AXIS)
        count = jnp.maximum(count, 1).astype(jnp.float32)
        total = jax.lax.psum(total, AXIS)
        # Every host reads the whole report.
        report = jax.lax.all_gather(report, AXIS, tiled=True)
        return jax.tree.map(lambda g: g / count, total), report

    def _of_group(self, stage: Stage, params, key) -> tuple[Any, Report]:
        tasks = draw_group(key, self.prior, stage.sizes, stage.group)
        if self.standardize:
            tasks = jax.vmap(standardized)(tasks)

        def mean_loss(params):
            network = put_together(self.graph, params)
            if self.schedule.compute == "bfloat16":
                network = use_bfloat16(network)
            exact = self.schedule.targets == "exact"
            each = jax.vmap(lambda task: loss(network, task, exact=exact))(tasks)
            return jnp.mean(each).astype(jnp.float32)

        value, gradient = jax.value_and_grad(mean_loss)(params)
        finite = jnp.isfinite(optax.tree.norm(gradient)) & jnp.isfinite(value)
        gradient = jax.tree.map(lambda g: jnp.where(finite, g, 0), gradient)
        return gradient, Report(value, tasks.family[0], finite)


@functools.partial(jit, static_argnames=("program", "stage"))
def _step(state: State, key: jax.Array, rate, keep, program: Program, stage: Stage):
    return program.step(stage, state, key, rate, keep)


@dataclass
class Training:
    """A training in a folder, which can be stopped and taken up again.

    Args:
        recipe: prior, network and schedule.
        folder: where `state.safetensors` and `metrics.csv` are kept.
        seed: of the parameters and of every task.
        devices: that share the groups of each step; None takes all.
        start: name or folder of a checkpoint to start from; None starts afresh.
    """

    recipe: Recipe
    folder: Path
    seed: int = 0
    devices: list | None = None
    start: str | Path | None = None

    def __post_init__(self):
        """Build the network and the steps; nothing is compiled yet."""
        network = self.recipe.model.build(jax.random.key(self.seed))
        graph, params = taken_apart(network)
        self.tasks = 0  # seen, those of the checkpoint it started from included
        if self.start is not None:
            params, self.tasks = _started(self.start, self.recipe.model, params)
        mesh = Mesh(np.array(self.devices or jax.devices()), (AXIS,))
        recipe = self.recipe
        self.program = Program(
            recipe.prior,
            graph,
            recipe.schedule,
            recipe.standardize,
            frozen(recipe.model),
            mesh,
        )
        self.state = self._placed(self.program.first(params))
        self.done = 0
        self.total = self.recipe.schedule.steps
        self.seconds = 0.0
        check_groups(self.recipe.schedule, mesh.size)

    def _placed(self, state: State) -> State:
        """Return the state where a step leaves it: elsewhere would compile again."""
        spread = NamedSharding(self.program.mesh, PartitionSpec())
        return jax.device_put(state, spread)

    def stage(self, step: int) -> Stage:
        """Return the table size of a step, a function of the seed and the step."""
        ready, shares = self.recipe.schedule.ready(step / self.total)
        draw = np.random.default_rng([self.seed, step])
        return ready[draw.choice(len(ready), p=shares)]

    def key(self, step: int) -> jax.Array:
        """Return the random key of a step."""
        return jax.random.fold_in(jax.random.key(self.seed), step + 1)

    def one(self) -> tuple[Stage, Report]:
        """Take one step."""
        stage = self.stage(self.done)
        rate = self.recipe.schedule.rate(self.done / self.total)
        self.state, report = self.step(stage, self.key(self.done), rate)
        self.done += 1
        self.tasks += stage.groups * stage.group
        return stage, report

    def step(self, stage: Stage, key: jax.Array, rate: float) -> tuple[State, Report]:
        """Return the state after a step of this size, and what was seen in it."""
        keep = np.float32(self.recipe.schedule.keep(self.done))
        return _step(self.state, key, np.float32(rate), keep, self.program, stage)

    def fit_budget(self, seconds: float) -> None:
        """Take as many more steps as a wall time allows, compilation left out."""
        cost = {stage: self._cost(stage) for stage in self.recipe.schedule.stages}

        def mean(begin: float) -> float:
            """Return the mean cost of the steps from a progress to the end."""
            each = []
            for progress in np.linspace(begin, 1, 200, endpoint=False):
                ready, shares = self.recipe.schedule.ready(progress)
                each.append(shares @ [cost[stage] for stage in ready])
            return float(np.mean(each))

        steps = max(seconds / mean(0), 1)
        for _ in range(20):  # how far the steps done are depends on those to come
            steps = max(seconds / mean(self.done / (self.done + steps)), 1)
        steps = int(multihost_utils.broadcast_one_to_all(np.int32(steps)))
        self.total = self.done + steps

    def _cost(self, stage: Stage) -> float:
        jax.block_until_ready(self.step(stage, self.key(-1), 0.0))
        start = time.perf_counter()
        for _ in range(TIMED):
            jax.block_until_ready(self.step(stage, self.key(-1), 0.0))
        return (time.perf_counter() - start) / TIMED

    def export(self, folder: Path, recipe: str) -> None:
        """Write the averaged parameters as a checkpoint, as the first of the hosts."""
        if not first_host():
            return
        config = {
            "model": described(self.recipe.model),
            "sizes": asdict(self.recipe.schedule.sizes),
            "tasks_seen": self.tasks,
        }
        params = jax.device_get(self.state.average)
        checkpoint.save(folder, params, config, recipe=recipe)

    def save(self) -> None:
        """Write the state so that a kill at any moment leaves a usable one.

        Of several hosts the first one writes; to resume, all of them read its folder.
        """
        if not first_host():
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        named = {name: np.asarray(leaf) for name, leaf in _named(self.state).items()}
        progress = {
            "step": str(self.done),
            "total": str(self.total),
            "seed": str(self.seed),
            "seconds": str(self.seconds),
            "tasks": str(self.tasks),
        }
        part = self.folder / "state.part"
        save_file(named, part, metadata=progress)
        os.replace(part, self.folder / STATE)

    def load(self) -> None:
        """Take up the state of the folder."""
        path = self.folder / STATE
        if not path.exists():
            raise PretrainError(f"nothing to resume: {path} does not exist")
        with safe_open(path, "numpy") as file:
            progress = file.metadata()
            named = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        own = _named(self.state)
        kinds, wanted = (
            {name: (leaf.shape, leaf.dtype) for name, leaf in leaves.items()}
            for leaves in (named, own)
        )
        if kinds != wanted:
            raise PretrainError(
                f"{path} holds another network or optimiser than the recipe; "
                "give the recipe it was trained with, or another folder"
            )
        tree = jax.tree.structure(self.state)
        self.state = self._placed(jax.tree.unflatten(tree, [named[k] for k in own]))
        self.done, self.total = int(progress["step"]), int(progress["total"])
        self.seed, self.seconds = int(progress["seed"]), float(progress["seconds"])
        self.tasks = int(progress["tasks"])


def _named(tree: Any) -> dict[str, Any]:
    """Return the leaves of a tree by their paths, in its order."""
    leaves = jax.tree.leaves_with_path(tree)
    return {jax.tree_util.keystr(path): leaf for path, leaf in leaves}


def _started(name: str | Path, model: Config, params: Any) -> tuple[Any, int]:
    """Return the parameters of a checkpoint, and the number of tasks it has seen.

    A network of which the checkpoint is a part, or the first layers, keeps the rest of
    its own.
    """
    loaded = checkpoint.load(name)
    found = configured(loaded.config["model"])
    started = begun(model, params, found, loaded.params)
    if jax.tree.map(jnp.shape, started) != jax.tree.map(jnp.shape, params):
        raise PretrainError(
            f"{name} holds another network than the recipe, of kind "
            f"{loaded.config['model']['kind']}: give the recipe model={found}"
        )
    return started, loaded.config["tasks_seen"]


def pretrain(
    recipe: Recipe,
    folder: Path,
    *,
    budget: float | None = None,
    resume: bool = False,
    start: str | Path | None = None,
    seed: int = 0,
    devices: list | None = None,
    progress: bool = True,
    tensorboard: bool = False,
) -> Training:
    """Train the network of a recipe; Ctrl-C stops it and keeps what it learned.

    Args:
        recipe: prior, network and schedule.
        folder: for `state.safetensors` (taken up by `resume`) and `metrics.csv`.
        budget: seconds of training from now on; None takes the steps of the schedule,
            or those that are left of it.
        resume: whether to go on from the state in the folder, whose seed counts.
        start: name or folder of a checkpoint whose network is trained further.
        seed: of the parameters and of every task.
        devices: that share the groups of each step; None takes all of them, on every
            host of a `jax.distributed` run.
        progress: whether to show a bar.
        tensorboard: whether to write the metrics for TensorBoard, too.

    Raises:
        PretrainError: when there is nothing to resume, the folder holds a training
            that is not to be resumed, or the recipe does not fit what is there.
    """
    if frozen(recipe.model) and start is None and not resume:
        raise PretrainError(
            f"{frozen(recipe.model)} of the network is not trained: name the "
            "checkpoint that it comes from, as in --start engineering"
        )
    if not resume and (folder / STATE).exists():
        raise PretrainError(
            f"{folder} holds a training already: give --resume to go on with it, or "
            "another --folder"
        )
    log = Log(folder if first_host() else None, tensorboard)
    with jax.enable_x64(recipe.schedule.double):
        training = Training(recipe, folder, seed, devices, start)
        if resume:
            training.load()
        log.begin(training)
        if budget is not None:
            training.fit_budget(budget)
        with contextlib.suppress(KeyboardInterrupt):
            _run(training, log, progress)
        training.save()
    return training


def _run(training: Training, log: Log, progress: bool) -> None:
    saved = time.perf_counter()
    with tqdm(total=training.total, initial=training.done, disable=not progress) as bar:
        while training.done < training.total:
            start = time.perf_counter()
            stage, report = training.one()
            log.add(stage, jax.device_get(report))
            training.seconds += time.perf_counter() - start
            bar.update()
            if training.done % LOG_EVERY == 0 or training.done == training.total:
                row = log.write(training)
                bar.set_postfix(loss=row["loss"], tasks_per_s=row["tasks_per_second"])
            if time.perf_counter() - saved > SAVE_EVERY:
                training.save()
                saved = time.perf_counter()


def first_host() -> bool:
    """Return whether this process is the one of a `jax.distributed` run that writes."""
    return jax.process_index() == 0


def check_groups(schedule: Schedule, devices: int) -> None:
    """Raise where the groups of a step can't be spread evenly over the devices."""
    for stage in schedule.stages:
        if stage.groups % devices:
            raise PretrainError(
                f"{stage.groups} groups a step do not spread over {devices} devices: "
                f"give Stage(groups=...) a multiple of {devices}"
            )
