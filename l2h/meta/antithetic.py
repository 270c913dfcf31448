"""What all evolution strategies with antithetic pairs share: noise and descent."""

from abc import abstractmethod
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, PyTree

from ..optimizers import AbstractOptimizer
from .base import AbstractMetaStrategy, MetaState, alignment, effective_number, repair
from .params import ravel
from .schedule import Cosine


class Memory(eqx.Module):
    """What a descent remembers between updates."""

    adam: PyTree
    estimate: Float[Array, " p"]
    """The previous estimate of the meta-gradient."""


class AbstractAntithetic(AbstractMetaStrategy):
    r"""Descends along an estimate of the meta-gradient from antithetic pairs.

    Member i < m is params + sigma z_i and member m + i is params - sigma z_i; member 2m, if
    there is one, is params itself. A concrete strategy says with which weight w_i each
    direction enters the estimate

    \[ g = \frac{1}{m\,\sigma} \sum_i w_i z_i, \qquad z_i \sim N(0, 1), \]

    and Adam takes one step along it.
    """

    pairs: eqx.AbstractVar[int]
    """Number m of antithetic pairs."""
    sigma: eqx.AbstractVar[Cosine]
    """Standard deviation of the perturbations."""
    rate: eqx.AbstractVar[Cosine]
    """Learning rate of Adam."""

    def __check_init__(self) -> None:
        if self.pairs < 1:
            raise ValueError(f"pairs: {self.pairs} given; take at least 1.")

    @abstractmethod
    def weights(
        self, losses: Float[Array, "q t c"]
    ) -> tuple[Float[Array, " m"], Float[Array, ""]]:
        """Return the weight of every pair, and the fraction that was clipped.

        Arguments:
            losses: of all members, finite, and so are sums of them.
        """

    def init(self, optimizer: AbstractOptimizer, seed: int) -> MetaState:
        params = ravel(optimizer)
        return MetaState(
            template=optimizer,
            params=params,
            memory=Memory(self._adam().init(params), jnp.zeros_like(params)),
            update=jnp.asarray(0, jnp.int32),
            seed=jnp.asarray(seed, jnp.uint32),
        )

    def direction(self, state: MetaState, pair: Int[Array, ""]) -> Float[Array, " p"]:
        """Return the unscaled perturbation z of a pair in the current update."""
        key = jax.random.fold_in(state.key, pair)
        return jax.random.normal(key, state.params.shape, state.params.dtype)

    def member(self, state: MetaState, index: Int[Array, ""]) -> Float[Array, " p"]:
        dtype = state.params.dtype
        sign = jnp.asarray([1, -1, 0], dtype)[index // self.pairs]
        shift = sign * self.sigma(state.update, dtype)
        return state.params + shift * self.direction(state, index % self.pairs)

    def gradient(
        self, state: MetaState, losses: Float[Array, "q t c"]
    ) -> tuple[Float[Array, " p"], dict[str, Float[Array, ""]]]:
        """Return the estimate of the meta-gradient, and its statistics."""
        dtype = state.params.dtype
        told, replaced = repair(losses.astype(dtype))
        weights, clipped = self.weights(told)
        noise = jax.vmap(lambda i: self.direction(state, i))(jnp.arange(self.pairs))
        # Relative to the largest weight, which may be huge for a strategy without clip. The
        # cap keeps squares finite: Adam would never forget an infinite one.
        largest = jnp.max(jnp.abs(weights))
        relative = weights / jnp.where(largest > 0, largest, 1)
        total = jnp.matmul(relative, noise, precision=jax.lax.Precision.HIGHEST)
        length = jnp.linalg.norm(total)
        cap = jnp.asarray(0.1 * float(jnp.finfo(dtype).max) ** 0.5, dtype)
        factor = jnp.minimum(
            largest / (self.pairs * self.sigma(state.update, dtype)),
            cap / jnp.where(length > 0, length, 1),
        )
        estimate = factor * total
        return estimate, {
            "loss": jnp.mean(told),
            "nonfinite_losses": replaced,
            "gradient_norm": jnp.linalg.norm(estimate),
            "cosine": alignment(estimate, state.memory.estimate),
            "effective_population": effective_number(weights),
            "clipped": clipped,
        }

    def tell(
        self, state: MetaState, losses: Float[Array, "q t c"]
    ) -> tuple[MetaState, dict[str, Float[Array, ""]]]:
        dtype = state.params.dtype
        estimate, info = self.gradient(state, losses)
        step: Any
        # optax mixes its integer count with floats, which strict promotion refuses.
        with jax.numpy_dtype_promotion("standard"):
            step, adam = self._adam().update(estimate, state.memory.adam)
        rate, sigma = (f(state.update, dtype) for f in (self.rate, self.sigma))
        following = MetaState(
            template=state.template,
            params=state.params - rate * step,
            memory=Memory(adam, estimate),
            update=state.update + 1,
            seed=state.seed,
        )
        return following, {**info, "rate": rate, "sigma": sigma}

    def _adam(self) -> optax.GradientTransformation:
        return optax.scale_by_adam()


def halves(losses: Float[Array, "q t c"], pairs: int) -> Float[Array, "m t c"]:
    """Return (L(+) - L(-)) / 2 of every pair, on every task and start."""
    # Halved first: the difference of two huge losses may exceed all numbers.
    return 0.5 * losses[:pairs] - 0.5 * losses[pairs : 2 * pairs]


def below_centre(
    losses: Float[Array, "q t c"],
) -> tuple[Float[Array, "q t c"], Float[Array, ""]]:
    """Return losses not above that of the last member, which is unperturbed, on the same
    task and start, and the fraction of perturbed ones that were above."""
    centre = losses[-1:]
    above = (losses[:-1] > centre).astype(losses.dtype)
    return jnp.minimum(losses, centre), jnp.mean(above)
