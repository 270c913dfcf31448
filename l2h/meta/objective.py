"""What meta-training minimises: the outcome of rollouts, made comparable."""

from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from .._leaves import as_array, concrete, require_positive
from .._rollout import rollout
from ..optimizers import AbstractOptimizer, AbstractWatch, State
from ..potentials import AbstractPotential

Horizons = Literal["draw", "grow"]
Scaling = Literal["energy", "spread"]

# Loss of a rollout that is not finite, if losses are not bounded otherwise.
HIGHEST = 1e12


class Early(eqx.Module):
    """How early a rollout was good."""

    mean: Float[Array, ""]
    """Mean over all evaluations of the lowest energy until then."""
    ceiling: Float[Array, ""]
    """Energies count up to here."""


class MeanBest(AbstractWatch[Early]):
    """Averages the lowest energy so far over all evaluations: low for early success.

    Arguments:
        ceiling: energies count up to here; up to that of the start if None.
    """

    ceiling: Float[Array, ""] | None

    def begin(self, potential: AbstractPotential, state: State) -> Early:
        ceiling, first = self.ceiling, state.observation
        if ceiling is None:
            # From a start without an energy, all that is not negative counts as nothing.
            ceiling = jnp.where(first.valid, first.energy, 0)
        return Early(jnp.minimum(state.best_energy, ceiling), ceiling)

    def note(self, potential: AbstractPotential, state: State, notes: Early) -> Early:
        weight = 1 / state.evaluations.astype(notes.mean.dtype)
        best = jnp.minimum(state.best_energy, notes.ceiling)
        return Early(notes.mean + weight * (best - notes.mean), notes.ceiling)

    def status(self, notes: Early) -> None:
        return None


class Objective(eqx.Module):
    """A mixture of the final, the best and the time-averaged best energy of a rollout.

    Energies count in the potential's natural unit and, if bounded, not above that of
    separated atoms, where it is known, else of the start: an exploded rollout is then as
    bad as one that found nothing, not worse.

    Arguments:
        final: weight of the last energy, which asks for annealing.
        best: weight of the lowest energy.
        mean_best: weight of the time average of the lowest energy so far, which pays for
            early success.
        quantile: of the losses over starts; 0.1 asks for a lucky start in ten, 0.9 for
            reliability. The mean over starts if None.
        soft: tau of a soft minimum over starts, -tau log(mean(exp(-loss / tau))), in
            natural energies: what pays is the chance of a low energy, where hits are
            rare. It needs many starts per task. The mean if None.
        shortest, longest: range of horizons, in steps; equal for a fixed one.
        horizons: "draw" draws one log-uniformly per update, so that one optimizer
            anneals to any budget; "grow" goes linearly from the shortest to the longest.
        scaling: "energy" leaves losses in natural energies; "spread" shifts and divides
            those of each task by their median and interquartile range over the
            population, which gives all tasks the same say without knowing their minima.
        bounded: whether losses are bounded as above; otherwise by `HIGHEST` only, to
            compare how strategies bear explosions.

    Raises:
        ValueError: if all weights vanish, one is negative, the quantile is no fraction,
            `soft` is not positive or given besides a quantile, or the horizons are not
            ordered positive numbers.
    """

    final: Float[Array, ""] = eqx.field(converter=as_array, default=0.5)
    best: Float[Array, ""] = eqx.field(converter=as_array, default=0.5)
    mean_best: Float[Array, ""] = eqx.field(converter=as_array, default=0.0)
    shortest: Float[Array, ""] = eqx.field(converter=as_array, default=500.0)
    longest: Float[Array, ""] = eqx.field(converter=as_array, default=500.0)
    quantile: Float[Array, ""] | None = eqx.field(converter=as_array, default=None)
    soft: Float[Array, ""] | None = eqx.field(converter=as_array, default=None)
    horizons: Horizons = eqx.field(static=True, default="draw")
    scaling: Scaling = eqx.field(static=True, default="energy")
    bounded: bool = eqx.field(static=True, default=True)

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
        quantile = concrete(self.quantile)
        if quantile is not None and not 0 <= quantile <= 1:
            raise ValueError(f"quantile: {quantile} given; it must lie in [0, 1].")
        if self.soft is not None:
            require_positive(soft=self.soft)
            if self.quantile is not None:
                raise ValueError(
                    f"soft: {concrete(self.soft)} given besides quantile ({quantile}); "
                    "both reduce losses over starts, take one."
                )

    def horizon(
        self, key: PRNGKeyArray, progress: Float[Array, ""] | float = 0.0
    ) -> Int[Array, ""]:
        """Return the number of steps of one update.

        Arguments:
            key: for "draw".
            progress: fraction of the training schedule that is done, for "grow".
        """
        if self.horizons == "grow":
            done = jnp.clip(jnp.asarray(progress, self.longest.dtype), 0, 1)
            steps = self.shortest + (self.longest - self.shortest) * done
        else:
            low, high = jnp.log(self.shortest), jnp.log(self.longest)
            steps = jnp.exp(low + (high - low) * jax.random.uniform(key, (), low.dtype))
        return jnp.round(steps).astype(jnp.int32)

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
        dtype = start.dtype
        unit = potential.scale.energy.astype(dtype)
        top = potential.separated if self.bounded else HIGHEST * unit
        watch = MeanBest(None if top is None else jnp.asarray(top, dtype))
        run = rollout(optimizer, potential, start, horizon, key=key, watch=watch)
        state, early = run.state, run.notes
        last = jnp.where(state.observation.valid, state.observation.energy, jnp.inf)
        mixed = (
            self.final.astype(dtype) * jnp.minimum(last, early.ceiling)
            + self.best.astype(dtype) * jnp.minimum(state.best_energy, early.ceiling)
            + self.mean_best.astype(dtype) * early.mean
        )
        return mixed / unit, state.valid

    def compare(self, losses: Float[Array, "q t c"]) -> Float[Array, "q t _"]:
        """Return what a strategy is told: losses reduced over starts and scaled by task.

        Arguments:
            losses: of members on tasks from starts, in natural energies.

        Returns:
            One value per member, task and start; one start only, if a quantile or a soft
            minimum over starts was asked for.
        """
        if self.quantile is not None:
            level = self.quantile.astype(losses.dtype)
            losses = jnp.quantile(losses, level, axis=2, keepdims=True)
        if self.soft is not None:
            tau = self.soft.astype(losses.dtype)
            total = jax.nn.logsumexp(-losses / tau, axis=2, keepdims=True)
            losses = tau * (jnp.log(jnp.asarray(losses.shape[2], losses.dtype)) - total)
        if self.scaling == "spread":
            levels = jnp.asarray([0.25, 0.5, 0.75], losses.dtype)
            low, middle, high = jnp.quantile(losses, levels, axis=(0, 2), keepdims=True)
            losses = (losses - middle) / jnp.where(high > low, high - low, 1)
        return losses
