"""The command `pfnbo`: optimises, compares optimisers and trains networks."""

import argparse
import ast
import json
import shutil
import sys
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from pfnbo import checkpoint, problems
from pfnbo.commands import INTERRUPTED, bench, dashboard, run, suggest, tell, watch
from pfnbo.commands import report as report_command
from pfnbo.compilation import enable_compilation_cache
from pfnbo.errors import PfnboError, SettingError
from pfnbo.optimize import optimize
from pfnbo.plot import draws
from pfnbo.problems import Problem
from pfnbo.result import Result
from pfnbo.surrogates.gp import GP
from pfnbo.surrogates.pfn import PFN

USAGE_ERROR = 2  # exit code of argparse too


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    args = _parser().parse_args(argv)
    try:
        return args.run(args)
    except (PfnboError, ModuleNotFoundError) as error:
        print(f"pfnbo: {error}", file=sys.stderr)
        return USAGE_ERROR


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="pfnbo", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    solve = commands.add_parser("optimize", help="minimise a benchmark problem")
    solve.add_argument("problem", metavar="PROBLEM", help="a name of `pfnbo problems`")
    solve.add_argument("--trials", type=int, default=50, help="evaluations in total")
    solve.add_argument("--seed", type=int, default=0, help="same seed, same run")
    solve.add_argument("--initial", type=int, help="size of the space-filling design")
    solve.add_argument("--plot", type=Path, help="picture of the convergence to write")
    solve.add_argument("--json", type=Path, help="file for the whole result")
    solve.add_argument("--quiet", action="store_true", help="no progress bar")
    solve.set_defaults(run=_optimize)
    train = commands.add_parser("pretrain", help="train a network on a prior")
    train.add_argument("recipe", metavar="RECIPE", help="a name, or a Python file")
    train.add_argument("--folder", type=Path, help="for its state (runs/RECIPE)")
    train.add_argument("--budget", type=_duration, help="such as 90s, 20m or 2h")
    train.add_argument("--start", metavar="NAME", help="checkpoint to train further")
    train.add_argument("--resume", action="store_true", help="go on where it stopped")
    train.add_argument("--seed", type=int, default=0, help="same seed, same network")
    train.add_argument(
        "--distributed",
        action="store_true",
        help="one of the hosts of a cluster that train together",
    )
    train.add_argument(
        "--tensorboard", action="store_true", help="metrics for TensorBoard, too"
    )
    train.add_argument("--quiet", action="store_true", help="no progress bar")
    train.set_defaults(run=_pretrain)
    listing = commands.add_parser("problems", help="list the benchmark problems")
    listing.set_defaults(run=_problems)
    recipes = commands.add_parser("priors", help="list the recipes of priors")
    recipes.add_argument("recipe", metavar="RECIPE", nargs="?", help="one to show")
    recipes.add_argument("--plot", type=Path, help="picture of ten tasks to write")
    recipes.add_argument("--copy", type=Path, help="file for a copy to start from")
    recipes.set_defaults(run=_priors)
    kept = commands.add_parser("checkpoints", help="list the trained networks")
    kept.add_argument("name", metavar="NAME", nargs="?", help="one to show in detail")
    kept.set_defaults(run=_checkpoints)
    test = commands.add_parser("eval", help="score a network on new tasks of a prior")
    test.add_argument("name", metavar="NAME", help="a checkpoint, or its folder")
    test.add_argument("--recipe", help="of the prior (the one called NAME)")
    test.add_argument("--tasks", type=int, default=50, help="of each number of rows")
    test.add_argument("--seed", type=int, default=0, help="same seed, same tasks")
    test.add_argument(
        "--save", action="store_true", help="keep the losses with the checkpoint"
    )
    test.set_defaults(run=_eval)
    for command in (run, suggest, tell, watch, dashboard, bench, report_command):
        command.add(commands)
    return parser


def _priors(args: argparse.Namespace) -> int:
    from pfnbo import recipe  # imports flax, which few commands need

    if args.recipe is None:
        if args.plot or args.copy:
            raise SettingError("name the recipe: pfnbo priors RECIPE --plot FILE.")
        files = sorted(recipe.recipe_files().items())
        print("\n".join(_aligned((name, _about(path)[0]) for name, path in files)))
        return 0
    path = recipe.find(args.recipe)
    print("\n".join(_about(path)))
    _check_outputs(args.plot, args.copy)
    if args.copy:
        if args.copy.exists():
            raise SettingError(f"{args.copy} exists: give another name.")
        shutil.copyfile(path, args.copy)
    if args.plot:
        enable_compilation_cache()
        draws(recipe.load_recipe(path).prior).savefig(args.plot, dpi=150)
    return 0


def _about(path: Path) -> list[str]:
    """Return the lines of the docstring of a file, which is not run."""
    return (ast.get_docstring(ast.parse(path.read_text())) or str(path)).splitlines()


def _checkpoints(args: argparse.Namespace) -> int:
    print(_checkpoint(args.name) if args.name else _checkpoint_table())
    return 0


def _checkpoint_table() -> str:
    rows = [("checkpoint", "MB", "tasks seen", "scores")]
    for name, scores in checkpoint.names().items():
        facts = checkpoint.read_config(checkpoint.find(name))
        megabytes = f"{facts['params']['bytes'] / 1e6:.2f}"
        told = ", ".join(f"{k} {_score(v)}" for k, v in scores.items())
        rows.append((name, megabytes, f"{facts['tasks_seen']:,}", told))
    return "\n".join(_aligned(rows))


def _score(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else json.dumps(value)


def _checkpoint(name: str) -> str:
    """Return all that a checkpoint tells of itself, after checking it."""
    scores = checkpoint.load(name).scores
    facts = checkpoint.read_config(checkpoint.find(name))
    arrays = facts["params"].pop("arrays")
    rows = [(field, json.dumps(value)) for field, value in facts.items()]
    rows += [("arrays", str(len(arrays))), ("scores", json.dumps(scores))]
    return "\n".join([name, *_aligned(rows, indent=2)])


def _eval(args: argparse.Namespace) -> int:
    from pfnbo import recipe  # imports flax, as the next one does
    from pfnbo.evaluate import calibration, coverage, means, scores, table

    checkpoint.load(args.name)  # its errors come before a minute of compilation
    trained = recipe.load_recipe(args.recipe or args.name)
    if args.tasks < 1:
        raise SettingError(f"--tasks is {args.tasks}: at least 1 is needed.")
    enable_compilation_cache()
    models = {"network": PFN(args.name), "GP": GP()}
    found = scores(trained, models, args.tasks, args.seed)
    print("\n".join(_aligned(table(found, list(models)))))
    print("\nobservations within central intervals")
    print("\n".join(_aligned(coverage(found, list(models)))))
    print("\nobservations by predictive probability, a tenth in each if calibrated")
    print("\n".join(_aligned(calibration(found, list(models)))))
    if args.save:
        checkpoint.rescore(args.name, means(found))
    return 0


def _problems(args: argparse.Namespace) -> int:
    head = ("problem", "variables", "constraints", "levels", "best known")
    rows: list[tuple[str, ...]] = [head]
    every = [*map(problems.get, problems.names()), *problems.SIMULATED.values()]
    for problem in every:
        sizes = problem.dim, problem.n_constraints, len(problem.costs)
        needs = f", needs {problem.needs}" if problem.needs else ""
        rows.append((problem.name, *map(str, sizes), _g(problem.f_star) + needs))
    print("\n".join(_aligned(rows)))
    print(f"\nnames that take another number: {', '.join(problems.families())}")
    print(f"sets: {', '.join(problems.SUITES)}")
    return 0


def _pretrain(args: argparse.Namespace) -> int:
    if args.distributed:
        _join_hosts()  # before any device is asked for
    from pfnbo import recipe  # imports flax, as the next one does, and optax
    from pfnbo.pretrain import pretrain

    path = recipe.find(args.recipe)
    folder = args.folder or Path("runs") / path.stem
    enable_compilation_cache()
    training = pretrain(
        recipe.load_recipe(path),
        folder,
        budget=args.budget,
        resume=args.resume,
        start=args.start,
        seed=args.seed,
        progress=not args.quiet,
        tensorboard=args.tensorboard,
    )
    training.export(folder / "checkpoint", path.read_text())
    print(
        f"{training.done} of {training.total} steps, {training.tasks} tasks, "
        f"{training.seconds:.0f} s; the network is in {folder / 'checkpoint'}"
    )
    return 0 if training.done == training.total else INTERRUPTED


def _join_hosts() -> None:
    import jax

    try:
        jax.distributed.initialize()
    except ValueError as error:
        raise SettingError(
            f"--distributed found no cluster ({error}): it reads Slurm, MPI, "
            "Kubernetes and TPU pods. Elsewhere call jax.distributed.initialize("
            "address, n, i) and pfnbo.pretrain.pretrain in a script."
        ) from None


def _duration(text: str) -> float:
    """Return the seconds of a time such as 90s, 20m or 2h."""
    unit = {"s": 1, "m": 60, "h": 3600}.get(text[-1:])
    try:
        seconds = float(text[:-1] if unit else text) * (unit or 1)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no time such as 90s, 20m or 2h")
    return seconds


def _optimize(args: argparse.Namespace) -> int:
    problem = problems.get(args.problem)
    _check_outputs(args.plot, args.json)
    result = optimize(
        problem,
        n_trials=args.trials,
        seed=args.seed,
        n_initial=args.initial,
        progress=not args.quiet,
    )
    print(report(problem, result))
    if args.json:
        result.save(args.json)
    if args.plot:
        result.plot("convergence", str(args.plot))
    return INTERRUPTED if result.stop_reason == "interrupted" else 0


def _check_outputs(plot: Path | None, other: Path | None) -> None:
    """Refuse files that can't be written before any evaluation is spent."""
    for path in filter(None, (plot, other)):
        if not path.absolute().parent.is_dir():
            raise SettingError(f"{path}: its folder does not exist.")
    if not plot:
        return
    if find_spec("matplotlib") is None:
        raise SettingError("--plot needs matplotlib: pip install 'pfnbo[plot]'.")
    from matplotlib.figure import Figure

    kinds = sorted(Figure().canvas.get_supported_filetypes())
    if plot.suffix[1:].lower() not in kinds:
        raise SettingError(f"{plot}: its suffix must be one of {kinds}.")


def report(problem: Problem, result: Result) -> str:
    """Return the best design, its objective and its constraints as text."""
    lines = [f"{problem.name}: {result.message}"]
    if result.x is not None:
        lines += _design(problem, result.x)
        lines += _objective(problem, result)
        lines += _constraints(problem, result)
    lines += ["", f"{result.nfev} evaluations, {int(result.feasible.sum())} feasible"]
    if len(result.time_suggest):
        median = float(np.median(result.time_suggest))
        lines.append(f"{median:.3g} s per suggestion by the model (median)")
    return "\n".join(lines)


def _design(problem: Problem, x: dict) -> list[str]:
    units = ("" if unit == "-" else unit for unit in problem.units)
    rows = [
        (name, _g(x[name]), unit)
        for name, unit in zip(problem.space.names, units, strict=True)
    ]
    return ["", "design", *_aligned(rows, indent=2)]


def _objective(problem: Problem, result: Result) -> list[str]:
    rows = [("found", _g(result.fun)), ("best known", _g(problem.f_star))]
    if result.success:
        rows.append(("gap", _gap(result.fun, problem.f_star)))
    return ["", "objective", *_aligned(rows, indent=2)]


def _gap(found: float, best: float) -> str:
    gap = found - best
    relative = f" ({100 * gap / abs(best):.3g} %)" if best else ""
    return f"{gap:.3g}{relative}"


def _constraints(problem: Problem, result: Result) -> list[str]:
    if not problem.constraints:
        return []
    g = problem.evaluate(result.x)[1]
    rows = [
        (name, _g(value), "ok" if value <= 0 else "violated")
        for name, value in zip(problem.constraints, g, strict=True)
    ]
    return ["", "constraints (feasible where <= 0)", *_aligned(rows, indent=2)]


def _g(value: float) -> str:
    return f"{value:.8g}"


def _aligned(rows: Iterable[Sequence[str]], indent: int = 0) -> list[str]:
    """Return the rows as lines whose columns are equally wide."""
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    padded = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    )
    return [" " * indent + line.rstrip() for line in padded]
