"""What the steps of a training tell, and the file that keeps it."""

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np

from pfnbo.errors import PretrainError

if TYPE_CHECKING:
    from pfnbo.pretrain import Training
    from pfnbo.schedule import Stage


class Report(NamedTuple):
    """What a step tells of each of its groups."""

    loss: jax.Array  # (groups,)
    family: jax.Array  # (groups,)
    finite: jax.Array  # (groups,) bool; other gradients are left out


class Log:
    """Means of the losses since the last row, as lines of `metrics.csv`."""

    def __init__(self, folder: Path | None, tensorboard: bool = False):
        """Append to the file in a folder, and to TensorBoard's; None writes nothing."""
        self.path = None if folder is None else folder / "metrics.csv"
        self.board = _board(folder / "tensorboard") if folder and tensorboard else None
        self.reports: list[tuple[int, Report]] = []
        self.seconds = 0.0  # of training up to the last row

    def begin(self, training: "Training") -> None:
        """Go on from where a training is now; later rows are of steps that are lost."""
        self.seconds = training.seconds
        if self.path is not None and self.path.exists():
            with self.path.open(newline="") as file:
                rows = list(csv.DictReader(file))
            kept = [row for row in rows if int(row["step"]) <= training.done]
            if len(kept) < len(rows):
                self.path.unlink()
                for row in kept:
                    _append(self.path, row)

    def add(self, stage: "Stage", report: Report) -> None:
        """Remember what a step told."""
        self.reports.append((stage.group, report))

    def write(self, training: "Training") -> dict[str, Any]:
        """Append a row and return it."""
        losses, family, finite = (
            np.concatenate([getattr(r, name) for _, r in self.reports])
            for name in ("loss", "family", "finite")
        )
        tasks = sum(group * len(r.loss) for group, r in self.reports)
        row = {
            "step": training.done,
            "of": training.total,
            "seconds": round(training.seconds, 1),
            "loss": _mean(losses[finite]),
            "left_out": int(np.sum(~finite)),
            "tasks_per_second": round(tasks / (training.seconds - self.seconds), 1),
        }
        for index, name in enumerate(training.recipe.prior.families):
            row[f"loss_{name}"] = _mean(losses[finite & (family == index)])
        self.reports, self.seconds = [], training.seconds
        if self.path is not None:
            _append(self.path, row)
        if self.board is not None:
            for name in (name for name in row if row[name] is not None):
                self.board.add_scalar(name, row[name], training.done)
            self.board.flush()
        return row


def _board(folder: Path) -> Any:
    try:
        from tensorboardX import SummaryWriter
    except ModuleNotFoundError as error:
        raise PretrainError(
            "metrics for TensorBoard need tensorboardX: "
            "pip install 'pfnbo[tensorboard]'"
        ) from error
    return SummaryWriter(str(folder))


def _mean(losses: np.ndarray) -> float | None:
    return round(float(np.mean(losses)), 4) if losses.size else None


def _append(path: Path, row: dict[str, Any]) -> None:
    new = not path.exists()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, row)
        if new:
            writer.writeheader()
        writer.writerow(row)
