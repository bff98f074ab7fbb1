"""A page of one stored study that is still running."""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from html import escape
from textwrap import shorten
from typing import Any

import numpy as np
from optuna.trial import FrozenTrial, TrialState

from pfnbo.report import svg
from pfnbo.report.charts import Chart, Series
from pfnbo.report.html import Cell, cell, count, document, table
from pfnbo.storage.ledger import UNKNOWN

RECENT = 200  # evaluations listed
REASON = 60  # letters shown of why one failed
STATES = {TrialState.COMPLETE: "", TrialState.RUNNING: "running"}


def live(
    name: str,
    trials: Sequence[FrozenTrial],
    *,
    maximize: bool,
    every: float | None = None,
    now: datetime | None = None,
) -> str:
    """Return the page of a study.

    Args:
        name: of the study.
        trials: in the order in which they began.
        maximize: whether larger objectives are better.
        every: seconds after which a browser loads the page again, None for never.
        now: the time that it tells.
    """
    sign = -1.0 if maximize else 1.0
    f, feasible = _values(trials), np.array([_feasible(t) for t in trials], bool)
    usable = np.where(feasible, sign * f, np.inf)
    best = int(np.argmin(usable)) if np.isfinite(usable).any() else None
    parts = [
        _head(name, trials, now or datetime.now()),
        _best(trials, best),
        _curve(sign, usable, "largest" if maximize else "smallest"),
        _trials(trials, feasible, best),
    ]
    return document(name, f"{''.join(parts)}</main>\n", every=every)


def _values(trials: Sequence[FrozenTrial]) -> np.ndarray:
    """Return the objectives (n,), NaN where there is none."""
    known = [
        t.values[0] if t.state is TrialState.COMPLETE else math.nan for t in trials
    ]
    return np.array(known, float)


def _feasible(trial: FrozenTrial) -> bool:
    done = trial.state is TrialState.COMPLETE
    return done and all(value <= 0 for value in trial.constraints.values())


def _head(name: str, trials: Sequence[FrozenTrial], now: datetime) -> str:
    ended = [t for t in trials if t.state.is_finished()]
    failed = sum(t.state is not TrialState.COMPLETE for t in ended)
    text = f"{count(len(ended), 'evaluation')} done, {failed or 'none'} of them failed"
    text += f", {len(trials) - len(ended) or 'none'} under way."
    spent = [t.duration for t in ended if t.duration is not None]
    if spent:
        middle = sorted(spent)[len(spent) // 2]
        text += f" One takes {_span(middle)}, the median."
    return (
        f"<header><h1>{escape(name)}</h1><p>{text} As of {now:%Y-%m-%d %H:%M:%S}.</p>"
        "</header>\n<main>"
    )


def _span(time: timedelta) -> str:
    seconds = time.total_seconds()
    if seconds < 120:
        return f"{seconds:.2g} s"
    return f"{seconds / 60:.3g} min" if seconds < 7200 else f"{seconds / 3600:.3g} h"


def _best(trials: Sequence[FrozenTrial], best: int | None) -> str:
    if best is None:
        text = "<p>No evaluation has satisfied every constraint yet.</p>"
        return f'<section id="best"><h2>Best so far</h2>{text}</section>\n'
    trial = trials[best]
    facts = {**trial.params, "objective": trial.values[0], **trial.constraints}
    rows = [[Cell(k, k), _told(v)] for k, v in facts.items()]
    return (
        f'<section id="best"><h2>Best so far: evaluation {trial.number}</h2>'
        f"{table(['what', 'value'], rows, 'best')}</section>\n"
    )


def _curve(sign: float, usable: np.ndarray, which: str) -> str:
    lowest = np.minimum.accumulate(usable) if len(usable) else usable
    lowest = sign * np.where(np.isfinite(lowest), lowest, np.nan)
    if not np.isfinite(lowest).any():
        return ""
    trials = np.arange(1.0, len(lowest) + 1)
    chart = Chart(
        "best",
        f"The {which} objective so far",
        "evaluations",
        "objective",
        (Series("best", trials, lowest),),
    )
    return (
        f'<div class="figures"><figure><figcaption>{chart.title}</figcaption>'
        f"{svg.draw(chart, {'best': 0})}</figure></div>\n"
    )


def _trials(
    trials: Sequence[FrozenTrial], feasible: np.ndarray, best: int | None
) -> str:
    names = list(dict.fromkeys(n for t in trials for n in t.params))
    limits = list(dict.fromkeys(n for t in trials for n in t.constraints))
    rows = []
    for i in reversed(range(max(len(trials) - RECENT, 0), len(trials))):
        trial = trials[i]
        value = trial.values[0] if trial.state is TrialState.COMPLETE else math.nan
        state = STATES.get(trial.state, trial.user_attrs.get("error", "failed"))
        if not state:
            state = "feasible" if feasible[i] else "infeasible"
        rows.append(
            [
                cell(trial.number, str(trial.number)),
                *(_told(trial.params.get(name, "")) for name in names),
                cell(value, digits=".6g", best=i == best),
                *(_limit(trial, name) for name in limits),
                Cell(shorten(state, REASON, placeholder=" ..."), state),
            ]
        )
    head = ["evaluation", *names, "objective", *limits, "state"]
    left = len(trials) - len(rows)
    more = f"<p>The latest {len(rows)} of {len(trials)}.</p>" if left else ""
    return (
        f'<section id="evaluations"><h2>Evaluations</h2>{more}'
        f"{table(head, rows, 'evaluations')}</section>"
    )


def _limit(trial: FrozenTrial, name: str) -> Cell:
    """Return the value of a constraint as a cell."""
    # What nobody knows is stored as infinite, for Optuna not to take it as satisfied.
    unknown = name in trial.system_attrs.get(UNKNOWN, ())
    return _told(math.nan if unknown else trial.constraints.get(name, math.nan))


def _told(value: Any) -> Cell:
    """Return a value of any kind as a cell."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return cell(value, digits=".6g")
    return Cell(str(value), str(value))
