"""Evolution strategies with antithetic pairs."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, PyTree

from .._leaves import require_instance
from .._platform import matmul
from ..optimizers import AbstractOptimizer
from .base import AbstractMetaStrategy, MetaState, alignment, effective_number, repair
from .params import ravel
from .schedule import Schedule, at, schedule
from .shaping import AbstractShaping, Clipped, Normalized, Plain

MetaOptimizer = Callable[[Any], optax.GradientTransformation]
"""Makes an optax transformation from a learning rate, as `optax.adam` does."""


class Memory(eqx.Module):
    """What a descent remembers between updates."""

    optimizer: PyTree
    """State of the meta-optimizer."""
    estimate: Float[Array, " p"]
    """The previous estimate of the meta-gradient."""


class EvolutionStrategy(AbstractMetaStrategy):
    r"""Descends along an estimate of the meta-gradient from antithetic pairs.

    Member i < m is params + sigma z_i and member m + i is params - sigma z_i; member 2m, if
    there is one, is params itself. With the weight w_i that a shaping gives to each pair,

    \[ g = \frac{1}{m\,\sigma} \sum_i w_i z_i, \qquad z_i \sim N(0, 1), \]

    and an optax optimizer takes one step along it. `ES`, `ESMC` and `NormalizedES` make
    one with the shaping of that name.

    Arguments:
        shaping: says how much every pair counts.
        pairs: number m of antithetic pairs.
        sigma: standard deviation of the perturbations, a number or an optax schedule.
        learning_rate: of the meta-optimizer, likewise.
        optimizer: makes the meta-optimizer from a learning rate: `optax.adam` or any other.

    Raises:
        ValueError: if a number is not positive, or an argument is of another kind.

    Reference: Salimans et al. 2017, arXiv:1703.03864.
    """

    shaping: AbstractShaping
    pairs: int = eqx.field(static=True, default=32)
    sigma: Schedule = eqx.field(converter=schedule("sigma"), default=0.1)
    learning_rate: Schedule = eqx.field(converter=schedule("learning_rate"), default=0.02)
    optimizer: MetaOptimizer = eqx.field(static=True, default=optax.adam)

    def __check_init__(self) -> None:
        require_instance(shaping=(self.shaping, AbstractShaping))
        if self.pairs < 1:
            raise ValueError(f"pairs: {self.pairs} given; take at least 1.")
        if isinstance(self.optimizer, tuple) or not callable(self.optimizer):
            raise ValueError(
                f"optimizer: {self.optimizer!r} given; give what makes one from a learning "
                "rate, such as optax.adam, not one that is made."
            )

    @property
    def population(self) -> int:
        return 2 * self.pairs + self.shaping.centre

    def init(self, optimizer: AbstractOptimizer, seed: int) -> MetaState:
        params = ravel(optimizer)
        zero = jnp.asarray(0, jnp.int32)
        descent = self.optimizer(at(self.learning_rate, zero, params.dtype))
        return MetaState(
            template=optimizer,
            params=params,
            memory=Memory(descent.init(params), jnp.zeros_like(params)),
            update=zero,
            seed=jnp.asarray(seed, jnp.uint32),
        )

    def direction(self, state: MetaState, pair: Int[Array, ""]) -> Float[Array, " p"]:
        """Return the unscaled perturbation z of a pair in the current update."""
        key = jax.random.fold_in(state.key, pair)
        return jax.random.normal(key, state.params.shape, state.params.dtype)

    def member(self, state: MetaState, index: Int[Array, ""]) -> Float[Array, " p"]:
        dtype = state.params.dtype
        sign = jnp.asarray([1, -1, 0], dtype)[index // self.pairs]
        shift = sign * at(self.sigma, state.update, dtype)
        return state.params + shift * self.direction(state, index % self.pairs)

    def gradient(
        self, state: MetaState, losses: Float[Array, "q t c"]
    ) -> tuple[Float[Array, " p"], dict[str, Float[Array, ""]]]:
        """Return the estimate of the meta-gradient, and its statistics."""
        dtype = state.params.dtype
        told, replaced = repair(losses.astype(dtype))
        weights, clipped = self.shaping(told, self.pairs)
        noise = jax.vmap(lambda i: self.direction(state, i))(jnp.arange(self.pairs))
        # Relative to the largest weight, which may be huge for a shaping without clip. The
        # cap keeps squares finite: Adam would never forget an infinite one.
        largest = jnp.max(jnp.abs(weights))
        relative = weights / jnp.where(largest > 0, largest, 1)
        total = matmul(relative, noise)
        length = jnp.linalg.norm(total)
        cap = jnp.asarray(0.1 * float(jnp.finfo(dtype).max) ** 0.5, dtype)
        factor = jnp.minimum(
            largest / (self.pairs * at(self.sigma, state.update, dtype)),
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
        sigma, rate = (at(f, state.update, dtype) for f in (self.sigma, self.learning_rate))
        # optax mixes its integer count with floats, which strict promotion refuses.
        step: Any
        with jax.numpy_dtype_promotion("standard"):
            descent = self.optimizer(rate)
            step, memory = descent.update(estimate, state.memory.optimizer, state.params)
        following = MetaState(
            template=state.template,
            params=state.params + step,
            memory=Memory(memory, estimate),
            update=state.update + 1,
            seed=state.seed,
        )
        return following, {**info, "learning_rate": rate, "sigma": sigma}


def ES(
    pairs: int = 32,
    sigma: Any = 0.1,
    learning_rate: Any = 0.02,
    optimizer: MetaOptimizer = optax.adam,
) -> EvolutionStrategy:
    r"""Return evolution strategies: the gradient of the smoothed meta-loss, unbiased.

    \[ w_i = \Bigl\langle \frac{L_{itc}(+) - L_{itc}(-)}{2} \Bigr\rangle_{tc} \]

    over tasks t and starts c. One exploding member decides alone; kept as the reference
    that the other strategies improve on. Arguments are those of `EvolutionStrategy`.

    Reference: Salimans et al. 2017, arXiv:1703.03864.
    """
    return EvolutionStrategy(Plain(), pairs, sigma, learning_rate, optimizer)


def ESMC(
    pairs: int = 32,
    sigma: Any = 0.1,
    learning_rate: Any = 0.02,
    optimizer: MetaOptimizer = optax.adam,
) -> EvolutionStrategy:
    r"""Return evolution strategies with meta-loss clipping.

    \[ w_i = \Bigl\langle
       \frac{\min(L_{itc}(+), L_{tc}(0)) - \min(L_{itc}(-), L_{tc}(0))}{2}
       \Bigr\rangle_{tc} \]

    with the minimum taken for each task t and start c, before averaging: a member that
    explodes somewhere counts there as one that has not changed anything. Where the loss is
    linear this is half the estimate of `ES`; curvature makes it shorter. Arguments are
    those of `EvolutionStrategy`.

    Reference: Merchant, Metz, Schoenholz, Cubuk 2021, arXiv:2107.09661.
    """
    return EvolutionStrategy(Clipped(), pairs, sigma, learning_rate, optimizer)


def NormalizedES(
    pairs: int = 32,
    sigma: Any = 0.1,
    learning_rate: Any = 0.02,
    optimizer: MetaOptimizer = optax.adam,
    *,
    clip: Any = 2.0,
    centre: bool = False,
) -> EvolutionStrategy:
    r"""Return evolution strategies in which every task has the same say, and no pair too
    much.

    With D_it the difference (L(+) - L(-)) / 2 of pair i on task t, averaged over starts,

    \[ w_i = \Bigl\langle \mathrm{clip}\!\left(
       \frac{D_{it}}{\sqrt{\langle D_{jt}^2 \rangle_j}}, \pm c\right) \Bigr\rangle_t . \]

    The normalisation makes tasks equal, whatever their energies, and the clip bounds what
    one pair can do. The first four arguments are those of `EvolutionStrategy`.

    Arguments:
        clip: c, in root mean squares.
        centre: whether params itself becomes the last member, and losses above its own
            are not counted, as in `ESMC`.

    Reference: the normalisation is ours (docs/strategies.md).
    """
    shaping = Normalized(clip, centre)
    return EvolutionStrategy(shaping, pairs, sigma, learning_rate, optimizer)
