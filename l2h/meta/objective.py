"""What meta-training minimises: the outcome of rollouts, made comparable."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from .._leaves import as_array, concrete, require_positive
from ..optimizers import AbstractOptimizer
from ..potentials import AbstractPotential
from ..rollout import rollout


class Objective(eqx.Module):
    """A mixture of the final, the best and the time-averaged best energy of a rollout.

    Energies count in the potential's natural unit and not above that of separated atoms
    (for test functions, of the start): an exploded rollout is as bad as one that found
    nothing, not worse.

    Arguments:
        final: weight of the last energy, which asks for annealing.
        best: weight of the lowest energy.
        mean_best: weight of the time average of the lowest energy so far, which pays for
            early success.
        shortest, longest: horizons are drawn log-uniformly between these numbers of
            steps, one draw per update, so that one optimizer anneals to any budget.

    Raises:
        ValueError: if all weights vanish, one is negative, or the horizons are not
            ordered positive numbers.
    """

    final: Float[Array, ""] = eqx.field(converter=as_array, default=0.5)
    best: Float[Array, ""] = eqx.field(converter=as_array, default=0.5)
    mean_best: Float[Array, ""] = eqx.field(converter=as_array, default=0.0)
    shortest: Float[Array, ""] = eqx.field(converter=as_array, default=500.0)
    longest: Float[Array, ""] = eqx.field(converter=as_array, default=500.0)

    def __check_init__(self) -> None:
        require_positive(shortest=self.shortest, longest=self.longest)
        shortest, longest = concrete(self.shortest), concrete(self.longest)
        if shortest is not None and longest is not None and shortest > longest:
            raise ValueError(f"shortest: {shortest} exceeds longest ({longest}); lower it.")
        names = ("final", "best", "mean_best")
        known = {name: concrete(getattr(self, name)) for name in names}
        for name, weight in known.items():
            if weight is not None and not weight >= 0:
                raise ValueError(f"{name}: {weight} given; weights must not be negative.")
        if all(weight is not None and weight == 0 for weight in known.values()):
            raise ValueError(f"weights: {', '.join(names)} all vanish; raise one.")

    def horizon(self, key: PRNGKeyArray) -> Int[Array, ""]:
        """Draw the number of steps of one update."""
        low, high = jnp.log(self.shortest), jnp.log(self.longest)
        position = jax.random.uniform(key, (), low.dtype)
        drawn = jnp.exp(low + (high - low) * position)
        return jnp.round(drawn).astype(jnp.int32)

    def loss(
        self,
        optimizer: AbstractOptimizer,
        potential: AbstractPotential,
        start: Float[Array, "n d"],
        horizon: Int[Array, ""],
        *,
        key: PRNGKeyArray,
    ) -> tuple[Float[Array, ""], Bool[Array, ""]]:
        """Return the loss of one rollout, always finite, and whether it stayed valid."""
        state = rollout(optimizer, potential, start, horizon, key=key).state
        dtype = start.dtype
        last = jnp.where(state.observation.valid, state.observation.energy, jnp.inf)
        mixed = (
            self.final.astype(dtype) * jnp.minimum(last, state.ceiling)
            + self.best.astype(dtype) * jnp.minimum(state.best_energy, state.ceiling)
            + self.mean_best.astype(dtype) * state.mean_best
        )
        return mixed / potential.scale.energy.astype(dtype), state.valid
