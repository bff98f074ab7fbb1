"""Every exception a user can meet.

PfnboError
├── SpaceError      (ValueError)    bounds, dimensions or a point do not fit
├── SettingError    (ValueError)    an argument of a door has no meaning
├── ObjectiveError  (TypeError)     the objective returned something unusable
├── TellError       (ValueError)    an observation does not fit the study
├── ProblemError    (ValueError)    no benchmark problem of that name
├── CheckpointError (ValueError)    no checkpoint there, or not what it claims to be
├── RecipeError     (ValueError)    no recipe of that name, or a file without one
├── PretrainError   (ValueError)    a training that can't start or be taken up again
├── StorageError    (OSError)       a study on disk that is damaged, foreign or full
├── EvaluationError (RuntimeError)  an evaluation cut off, or whose process died
└── BenchError      (ValueError)    a comparison without method, result or package
"""


class PfnboError(Exception):
    """Base of every error that pfnbo raises on purpose."""


class SpaceError(PfnboError, ValueError):
    """Bounds, a dimension or a point that does not fit the space."""


class SettingError(PfnboError, ValueError):
    """An argument whose value has no meaning; the message says what to type."""


class ObjectiveError(PfnboError, TypeError):
    """The objective returned something that is not a number or an `(f, g)` pair."""


class TellError(PfnboError, ValueError):
    """An observation that does not fit what the optimizer knows."""


class ProblemError(PfnboError, ValueError):
    """No benchmark problem has this name, or its fidelity or table can't be had."""


class CheckpointError(PfnboError, ValueError):
    """A checkpoint that is missing, damaged, foreign or can't be kept."""


class RecipeError(PfnboError, ValueError):
    """No recipe has this name, or its file defines none."""


class PretrainError(PfnboError, ValueError):
    """A training that can't start, or be taken up again."""


class StorageError(PfnboError, OSError):
    """A stored study that is damaged, foreign, full or out of reach."""


class EvaluationError(PfnboError, RuntimeError):
    """An evaluation that took too long, or whose process or program failed."""


class BenchError(PfnboError, ValueError):
    """A comparison whose method, package or results are missing or damaged."""
