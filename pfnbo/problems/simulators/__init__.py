"""Problems that simulators of other packages compute: `pip install pfnbo[simulators]`.

A file for each. The packages are imported at the first evaluation.
"""

from pfnbo.problems.simulators import (  # noqa: F401
    airfoil,
    battery,
    cartpole,
    plate,
    rankine,
    tuning,
    windfarm,
)
