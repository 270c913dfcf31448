"""Evolution strategies whose loss differences are normalised per task."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from .._leaves import as_array, cast, require_positive
from ..optimizers import AbstractOptimizer
from .base import AbstractMetaStrategy, MetaState
from .coordinates import flatten


class NormalizedES(AbstractMetaStrategy):
    r"""Antithetic evolution strategies, robust against exploding members.

    With losses L_it(+-) of the pair theta +- sigma z_i on task t, averaged over starts,

    \[ g = \frac{1}{\sigma\,m\,t} \sum_{i,t} z_i\,
       \mathrm{clip}\!\left(\frac{L_{it}(+) - L_{it}(-)}
       {\sqrt{\langle (L_{jt}(+) - L_{jt}(-))^2 \rangle_j}}, \pm c\right) \]

    is followed by Adam with a cosine-decayed rate. The normalisation gives every task the
    same say, whatever its energies, and the clip bounds what one pair can do; plain
    differences let one exploding pair decide alone.

    Arguments:
        pairs: number of antithetic pairs m.
        sigma: standard deviation of the perturbations.
        rate: of Adam, at the first update.
        decay: rate at `updates`, relative to the first; constant from then on.
        updates: length of the schedule.
        clip: c, in root mean squares.

    Raises:
        ValueError: if a number is out of range.

    Reference: Salimans et al. 2017, arXiv:1703.03864, for the antithetic estimator; the
        normalisation is ours (docs/training.md).
    """

    pairs: int = eqx.field(static=True, default=32)
    sigma: Float[Array, ""] = eqx.field(converter=as_array, default=0.1)
    rate: Float[Array, ""] = eqx.field(converter=as_array, default=0.02)
    decay: Float[Array, ""] = eqx.field(converter=as_array, default=0.3)
    updates: Float[Array, ""] = eqx.field(converter=as_array, default=250.0)
    clip: Float[Array, ""] = eqx.field(converter=as_array, default=2.0)

    def __check_init__(self) -> None:
        require_positive(
            pairs=self.pairs,
            sigma=self.sigma,
            rate=self.rate,
            decay=self.decay,
            updates=self.updates,
            clip=self.clip,
        )

    @property
    def population(self) -> int:
        return 2 * self.pairs

    def _adam(self) -> optax.GradientTransformation:
        return optax.scale_by_adam()

    def init(self, optimizer: AbstractOptimizer, seed: int) -> MetaState:
        theta = flatten(optimizer)
        return MetaState(
            template=optimizer,
            theta=theta,
            memory=self._adam().init(theta),
            update=jnp.asarray(0, jnp.int32),
            seed=jnp.asarray(seed, jnp.uint32),
        )

    def noise(self, state: MetaState) -> Float[Array, "m p"]:
        """Return the perturbations of the current update, one row per pair."""
        keys = jax.vmap(lambda i: jax.random.fold_in(state.key, i))(jnp.arange(self.pairs))
        shape, dtype = state.theta.shape, state.theta.dtype
        return jax.vmap(lambda key: jax.random.normal(key, shape, dtype))(keys)

    def ask(self, state: MetaState) -> Float[Array, "q p"]:
        shift = self.sigma.astype(state.theta.dtype) * self.noise(state)
        return jnp.concatenate([state.theta + shift, state.theta - shift])

    def gradient(
        self, state: MetaState, losses: Float[Array, "q t c"]
    ) -> tuple[Float[Array, " p"], dict[str, Float[Array, ""]]]:
        """Return the normalised estimate of the meta-gradient, and its statistics."""
        dtype = state.theta.dtype
        means = jnp.mean(losses, axis=2).astype(dtype)
        difference = means[: self.pairs] - means[self.pairs :]
        spread = jnp.sqrt(jnp.mean(difference**2, axis=0, keepdims=True))
        ratio = difference / jnp.where(spread > 0, spread, 1)
        p = cast(self, dtype)
        clipped = jnp.clip(ratio, -p.clip, p.clip)
        weights = jnp.mean(clipped, axis=1)
        estimate = weights @ self.noise(state) / (self.pairs * p.sigma)
        info = {
            "gradient_norm": jnp.linalg.norm(estimate),
            "clipped": jnp.mean((jnp.abs(ratio) > p.clip).astype(dtype)),
        }
        return estimate, info

    def tell(
        self, state: MetaState, losses: Float[Array, "q t c"]
    ) -> tuple[MetaState, dict[str, Float[Array, ""]]]:
        estimate, info = self.gradient(state, losses)
        direction: Any
        # optax mixes its integer count with floats, which strict promotion refuses.
        with jax.numpy_dtype_promotion("standard"):
            direction, memory = self._adam().update(estimate, state.memory)
        p = cast(self, state.theta.dtype)
        progress = jnp.minimum(state.update.astype(state.theta.dtype) / p.updates, 1)
        factor = p.decay + (1 - p.decay) * 0.5 * (1 + jnp.cos(jnp.pi * progress))
        rate = p.rate * factor
        info = {**info, "rate": rate, "loss": jnp.mean(losses)}
        return (
            MetaState(
                template=state.template,
                theta=state.theta - rate * direction,
                memory=memory,
                update=state.update + 1,
                seed=state.seed,
            ),
            info,
        )
