"""What a study found: a SciPy result with its history, as table, picture or file."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import OptimizeResult

from pfnbo import checks

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from pfnbo.optimizer import Optimizer

FORMAT = 1


class Result(OptimizeResult):
    """Best point and history of a study.

    Fields: `x, fun, success, status, message, nfev` as in SciPy; `x_iters`,
    `func_vals (n,)`, `constr (n, c)`, `feasible (n,)`, `maxcv` (largest violation at
    `x`), `n_failed`, `errors`, `stop_reason`, `time_suggest` (seconds of each
    suggestion by the model, so not of the design), `names`, `constraint_names`,
    `maximize`, `surrogate` (what predicts from them, empty if nothing had to).
    """

    @classmethod
    def of(
        cls,
        study: "Optimizer",
        best: int | None,
        violation: np.ndarray,
        *,
        message: str,
        stop_reason: str,
    ) -> "Result":
        """Return the result of a study whose best evaluation has index `best`."""
        failed = study._failed
        points = [study.space.decode(row) for row in study._rows]
        feasible = (violation <= 0) & ~failed
        if best is None or failed[best]:
            best, success = None, False
        else:
            success = bool(feasible[best])
        if best is None:
            message = message or "no evaluation succeeded"
        elif not success:
            message = message or "no feasible point found: x violates least"
        return cls(
            x=None if best is None else points[best],
            fun=np.nan if best is None else float(study._f[best]),
            success=success,
            status=0 if success else 1,
            message=message or "the best feasible point evaluated",
            nfev=len(points),
            x_iters=points,
            func_vals=study._f.copy(),
            constr=study._g.copy(),
            feasible=feasible,
            maxcv=np.nan if best is None else float(violation[best]),
            n_failed=int(failed.sum()),
            errors=list(study._errors),
            stop_reason=stop_reason,
            time_suggest=np.array(study.time_suggest),
            names=study.space.names,
            constraint_names=study.constraint_names,
            maximize=study.maximize,
            surrogate=_surrogate(study),
        )

    def incumbents(self) -> np.ndarray:
        """Return the best feasible objective after each evaluation, NaN before one."""
        sign = -1.0 if self.maximize else 1.0
        values = np.where(self.feasible, sign * self.func_vals, np.inf)
        best = np.minimum.accumulate(values) if len(values) else values
        return sign * np.where(np.isfinite(best), best, np.nan)

    def to_dataframe(self) -> "pd.DataFrame":
        """Return one row per evaluation; needs pandas."""
        import pandas as pd

        rows = [self._named(x) for x in self.x_iters]
        frame = pd.DataFrame(rows, columns=list(self.names))
        frame["f"] = self.func_vals
        for j, name in enumerate(self.constraint_names):
            frame[name] = self.constr[:, j]
        frame["feasible"] = self.feasible
        frame["error"] = self.errors
        return frame

    def plot(self, kind: str = "convergence", path: str | None = None) -> "Figure":
        """Return a figure and save it when a path is given; needs matplotlib.

        Args:
            kind: "convergence" (objective and feasibility over evaluations) or
                "slices" (objective against each parameter).
            path: file to write, its suffix chooses the format.
        """
        from pfnbo.plot import PLOTS

        figure = PLOTS[checks.choice("kind", kind, sorted(PLOTS))](self)
        if path is not None:
            figure.savefig(path, dpi=150)
        return figure

    def save(self, path: str | Path) -> None:
        """Write the result as JSON; `Result.load` reads it back."""
        plain = {k: _plain(v) for k, v in self.items()}
        Path(path).write_text(json.dumps({"format": FORMAT, **plain}, indent=1))

    @classmethod
    def load(cls, path: str | Path) -> "Result":
        """Read a file that `save` wrote."""
        plain = json.loads(Path(path).read_text())
        written = plain.pop("format", None)
        if written != FORMAT:
            raise ValueError(f"{path} has format {written}: this reads {FORMAT}.")
        shape = (plain["nfev"], len(plain["constraint_names"]))
        for name in ("func_vals", "time_suggest"):
            plain[name] = np.array(plain[name], float)
        plain["constr"] = np.array(plain["constr"], float).reshape(shape)
        plain["feasible"] = np.array(plain["feasible"], bool)
        for name in ("fun", "maxcv"):
            plain[name] = np.nan if plain[name] is None else float(plain[name])
        for name in ("names", "constraint_names"):
            plain[name] = tuple(plain[name])
        keyed = any(isinstance(x, dict) for x in plain["x_iters"])
        if not keyed:
            plain["x_iters"] = [np.array(x) for x in plain["x_iters"]]
            plain["x"] = None if plain["x"] is None else np.array(plain["x"])
        return cls(plain)

    def _named(self, x: Any) -> dict[str, Any]:
        return x if isinstance(x, dict) else dict(zip(self.names, x, strict=True))


def _surrogate(study: "Optimizer") -> str:
    if not study.time_suggest:
        return ""
    sizes = len(study._rows), study.space.columns, len(study.constraint_names)
    return study.strategy.model.told(*sizes, study._fitted and study._fitted[1])


def _plain(value: Any) -> Any:
    """Return JSON types; NaN becomes null and infinity a string, as JSON has none."""
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float) and not np.isfinite(value):
        return None if np.isnan(value) else str(value)
    return value
