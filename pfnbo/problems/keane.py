"""Keane's bumps, in the four sizes whose best design is known."""

from collections.abc import Callable
from math import sqrt

import numpy as np

from pfnbo.problems.problem import Formula, Result, floats, register


def _register(f_star: float, *x_star: float) -> Callable[[Formula], Formula]:
    return register(
        floats(len(x_star), 0, 10),
        name=f"keane{len(x_star)}",
        constraints=("product", "sum"),
        x_star=x_star,
        f_star=f_star,
        source="Keane 1994",
        remarks="very many local optima; of the constraints the product is active",
    )


@_register(
    -0.364979745869,
    *(1.60086042298286, 0.468498058441433),
)
@_register(
    -0.747310361526,
    *(
        3.12389039200027,
        3.06915487700027,
        3.01428232600028,
        2.95758835800029,
        1.46604135800058,
    ),
    *(
        0.368058517502294,
        0.363482331502323,
        0.359120621002351,
        0.354954289802378,
        0.350966644802405,
    ),
)
@_register(
    -0.797113875812,
    *(
        3.16032526899936,
        3.12217668299936,
        3.08467612399935,
        3.04727672399934,
        3.00943654099933,
    ),
    *(
        2.97054359199932,
        2.92981517599931,
        0.513744080196092,
        0.505396795296028,
        0.497764656595967,
    ),
    *(
        0.490722062295909,
        0.484175820495853,
        0.4780541715958,
        0.472300843695749,
        0.4668704006957,
    ),
    *(0.461726199795652, 0.456836979095605, 0.45217775919556),
)
@_register(
    -0.803619104125,
    *(
        3.16246061700405,
        3.12833139800409,
        3.09479212300413,
        3.06145059900418,
        3.02792914000423,
    ),
    *(
        2.99382604300427,
        2.95866869000432,
        2.92184226200438,
        0.494825158725856,
        0.488357108926198,
    ),
    *(
        0.482316421026526,
        0.476644731726842,
        0.471295544527146,
        0.466231004627441,
        0.461420059927727,
    ),
    *(
        0.456836620128006,
        0.452458756828277,
        0.448267619728541,
        0.444246997128799,
        0.440382859829052,
    ),
)
def keane(x: np.ndarray) -> Result:
    """Keane's bumps: almost symmetric peaks with the best on the boundary.

    Args:
        x: any number of variables in 0..10.

    Source: Keane 1994, Artificial Intelligence in Engineering 9.
    """
    c = np.cos(x) ** 2
    norm = sqrt(max(np.arange(1, len(x) + 1) @ x**2, 1e-300))  # 0 at x = 0
    f = -abs(np.sum(c**2) - 2 * np.prod(c)) / norm
    return f, np.array([0.75 - np.prod(x), np.sum(x) - 7.5 * len(x)])
