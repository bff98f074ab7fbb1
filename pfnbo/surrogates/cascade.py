"""A cheap posterior that screens for an expensive one."""

import math
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp

from pfnbo.data import Data
from pfnbo.errors import SettingError
from pfnbo.predictive import Predictive
from pfnbo.surrogates.members import MemberPosterior, few


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class CascadePosterior:
    """The expensive posterior, and a cheap one that says where to ask it.

    Whoever searches for a maximum screens candidates with `cheap` and asks the
    expensive one, which is what all methods do, about the best `share` of them only.
    """

    cheap: Any
    expensive: Any
    share: float = field(metadata=dict(static=True))

    def predict(
        self,
        x: jax.Array,  # (d,)
    ) -> Predictive:
        """Return the marginals of all latent outputs at one point, shape (outputs,)."""
        return self.expensive.predict(x)

    def observe(
        self,
        x: jax.Array,  # (d,)
    ) -> Predictive:
        """Return the marginals of new, noisy observations at one point, (outputs,)."""
        return self.expensive.observe(x)

    def means(
        self,
        x: jax.Array,  # (q, d)
    ) -> jax.Array:
        """Return the means of the latent outputs, (outputs, q)."""
        return self.expensive.means(x)

    @property
    def covariance(self) -> Any:
        """That of the expensive posterior, where it has one."""
        return self.expensive.covariance

    def sample(
        self,
        key: jax.Array,
        x: jax.Array,  # (q, d)
        n: int,
    ) -> jax.Array:
        """Return `n` joint draws of the latent outputs, (n, outputs, q)."""
        return self.expensive.sample(key, x, n)

    def path(self, key: jax.Array) -> Any:
        """Return one joint draw of the latent outputs as a function of the point."""
        return self.expensive.path(key)

    def noise_free(self, key: jax.Array, n: int, quiet: float) -> Any:
        """Return `n` posteriors, each after a joint draw of the latents at the data."""
        return self.expensive.noise_free(key, n, quiet)

    def feasibility(
        self,
        x: jax.Array,  # (q, d)
        thresholds: jax.Array,  # (outputs,) infinite where there is none
    ) -> jax.Array:
        """Return the log probabilities that no output exceeds its threshold, (q,).

        Of the rows the `share` with the most doubtful verdict, those nearest to the
        probability 1/2, get that of the expensive posterior.
        """

        def log_holds(posterior, x):
            at = lambda row: jnp.sum(posterior.predict(row).log_cdf(thresholds))  # noqa: E731
            return jax.vmap(at)(x)

        first = log_holds(self.cheap, x)
        doubt = -jnp.abs(jnp.exp(first) - 0.5)
        _, rows = jax.lax.top_k(doubt, math.ceil(self.share * len(x)))
        return first.at[rows].set(log_holds(self.expensive, x[rows]))

    def condition(self, data: Data) -> "CascadePosterior":
        """Return both posteriors after more data."""
        cheap, expensive = self.cheap.condition(data), self.expensive.condition(data)
        return CascadePosterior(cheap, expensive, self.share)

    @property
    def x(self) -> jax.Array:
        """Rows of the data, (n, d)."""
        return self.expensive.x

    @property
    def y(self) -> jax.Array:
        """Observed outputs, (outputs, n)."""
        return self.expensive.y

    @property
    def seen(self) -> jax.Array:
        """Which outputs are known, (outputs, n) bool."""
        return self.expensive.seen

    @property
    def fitted(self) -> jax.Array:
        """Means of the latent outputs at the data, (outputs, n)."""
        return self.expensive.fitted

    @property
    def noise(self) -> jax.Array:
        """Noise variances, (outputs,)."""
        return self.expensive.noise

    @property
    def length_scales(self) -> jax.Array:
        """Length-scales of the outputs, (outputs, d)."""
        return self.expensive.length_scales


@dataclass(frozen=True)
class Cascade:
    """A surrogate whose acquisitions are screened by a cheap one.

    Args:
        expensive: what predicts.
        cheap: what screens: a number of the members of the expensive one, where it has
            members, or a surrogate, which is fitted, too.
        share: of the candidates that the expensive one scores. Known constraints are
            asked of one candidate at a time: with them it scores a few dozen that are
            allowed, whatever the share.

    Source: Xia & Bouganis 2023, arXiv 2303.08010 (window-based early exit).
    """

    expensive: Any
    cheap: Any = 8
    share: float = 0.15

    def __post_init__(self):
        """Refuse a share that is none and a screen of one member."""
        if not 0 < self.share <= 1:
            raise SettingError(f"share is {self.share}: wanted above 0 and at most 1.")
        if isinstance(self.cheap, int) and self.cheap < 2:
            raise SettingError(f"cheap is {self.cheap}: at least 2 members are needed.")

    def fit(self, key: jax.Array, data: Data) -> CascadePosterior:
        """Return the posteriors of both.

        Raises:
            SettingError: when the expensive one has not as many members.
        """
        main, screen = jax.random.split(key)
        expensive = self.expensive.fit(main, data)
        if not isinstance(self.cheap, int):
            cheap = self.cheap.fit(screen, data)
        else:
            cheap = self._few(expensive)
        return CascadePosterior(cheap, expensive, self.share)

    def _few(self, expensive: Any) -> MemberPosterior:
        members = isinstance(expensive, MemberPosterior) and expensive.noises.shape[1]
        if self.cheap > members:
            name = type(self.expensive).__name__
            raise SettingError(
                f"cheap is {self.cheap} members, and {name} has {int(members)}: type "
                f"Cascade({name}(), cheap=GP())."
            )
        return few(expensive, self.cheap)
