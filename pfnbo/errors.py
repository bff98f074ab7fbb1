"""Every exception a user can meet.

PfnboError
├── SpaceError      (ValueError)    bounds, dimensions or a point do not fit
├── SettingError    (ValueError)    an argument of a door has no meaning
├── ObjectiveError  (TypeError)     the objective returned something unusable
├── TellError       (ValueError)    an observation does not fit the study
├── ProblemError    (ValueError)    no benchmark problem of that name
└── RecipeError     (ValueError)    no recipe of that name, or a file without one
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
    """No benchmark problem has this name."""


class RecipeError(PfnboError, ValueError):
    """No recipe has this name, or its file defines none."""
