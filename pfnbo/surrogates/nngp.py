"""Networks of infinite width as surrogates: exact Gaussian processes."""

from dataclasses import dataclass

import jax

from pfnbo.data import Data
from pfnbo.infinite import Infinite
from pfnbo.surrogates.gp import GP, GPPosterior


@dataclass(frozen=True)
class NNGP:
    """A Bayesian network of infinite width, its hyper-parameters learned.

    Args:
        activation: "relu" or "erf"; the latter is near to tanh.
        depth: number of hidden layers.
        noise: None learns the noise; a number fixes its standard deviation in units
            of the standardised output.
        warp: whether to learn a monotone warp of each column.
        steps: largest number of evaluations of each start.
        even: whether the output is divided by its deviation. Without that the doubt
            grows from the middle of the cube to its corners, where a search in several
            dimensions then stays.

    Source: Lee et al. 2018, arXiv 1711.00165; Li et al. 2024, arXiv 2305.20028.
    """

    activation: str = "relu"
    depth: int = 3
    noise: float | None = None
    warp: bool = False
    steps: int = 60
    even: bool = True
    exact = True

    @property
    def gp(self) -> GP:
        """The Gaussian process that the network is."""
        kernel = Infinite(self.activation, self.depth, self.even)
        return GP(kernel, noise=self.noise, warp=self.warp, steps=self.steps)

    def fit(self, key: jax.Array, data: Data) -> GPPosterior:
        """Return the maximum a posteriori fit of every output; nothing is random."""
        return self.gp.fit(key, data)
