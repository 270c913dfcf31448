"""FIRE, in the two forms that are in use."""

from typing import Literal

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from .._leaves import as_array, cast, require_fraction, require_positive, trained
from ..potentials import AbstractPotential, Observation
from .base import AbstractOptimizer, State

# Added to the squared force before its root, in (energy / length)^2: what jax-md adds, so
# that steps agree.
SOFTENING = 1e-6


class FireMemory(eqx.Module):
    """Velocities and the adapted constants."""

    velocity: Float[Array, "n d"]
    """Of unit masses; in the original form, that of the middle of the last time step."""
    dt: Float[Array, ""]
    alpha: Float[Array, ""]
    downhill: Int[Array, ""]
    """Steps since velocities last pointed uphill."""


class Fire(AbstractOptimizer[FireMemory]):
    r"""Newtonian motion of unit masses that is steered downhill and stopped uphill.

    With forces F and velocities v,

    \[ v \leftarrow (1 - \alpha) v + \alpha |v| F / |F| \quad \text{if } F \cdot v > 0,
       \qquad v \leftarrow 0 \quad \text{otherwise;} \]

    after `nmin` steps downhill the time step grows and alpha fades, a step uphill resets
    alpha and shrinks the time step. Two forms are in use, which differ in more than their
    constants (named as in ASE); build one by its name, `Fire.original` or `Fire.ase`.

    Arguments:
        dt: first time step, in length / sqrt(energy) of the potential's own units.
        dtmax: largest time step.
        maxstep: largest displacement of the whole structure in one step (root of the sum
            of squares), in the potential's unit of length; None sets no bound.
        finc: factor on the time step after `nmin` steps downhill.
        fdec: factor on the time step after a step uphill.
        astart: first alpha.
        fa: factor on alpha after `nmin` steps downhill.
        nmin: steps downhill before time step and alpha change; static.
        flavour: "original" integrates by velocity Verlet, as jax-md does; "ase" by
            semi-implicit Euler, as ASE does; static.

    Raises:
        ValueError: if an argument is out of range.

    Reference: Bitzek, Koskinen, Gaehler, Moseler and Gumbsch 2006,
        doi:10.1103/PhysRevLett.97.170201.
    """

    dt: Float[Array, ""] = eqx.field(converter=as_array)
    dtmax: Float[Array, ""] = eqx.field(converter=as_array)
    maxstep: Float[Array, ""] | None = eqx.field(converter=as_array)
    flavour: Literal["original", "ase"] = eqx.field(static=True)
    finc: Float[Array, ""] = eqx.field(converter=as_array, default=1.1)
    fdec: Float[Array, ""] = eqx.field(converter=as_array, default=0.5)
    astart: Float[Array, ""] = eqx.field(converter=as_array, default=0.1)
    fa: Float[Array, ""] = eqx.field(converter=as_array, default=0.99)
    nmin: int = eqx.field(static=True, default=5)

    def __check_init__(self) -> None:
        require_positive(dt=self.dt, dtmax=self.dtmax, finc=self.finc)
        if self.maxstep is not None:
            require_positive(maxstep=self.maxstep)
        require_fraction(fdec=self.fdec, astart=self.astart, fa=self.fa)
        if self.flavour not in ("original", "ase"):
            raise ValueError(f'flavour: {self.flavour!r} given; say "original" or "ase".')
        if self.nmin < 0:
            raise ValueError(f"nmin: {self.nmin} given; it must not be negative.")

    @staticmethod
    def original(
        dt: Float[Array, ""] | float = 0.1,
        dtmax: Float[Array, ""] | float = 0.4,
        maxstep: Float[Array, ""] | float | None = None,
    ) -> "Fire":
        """Return FIRE as published, with the time steps that jax-md has by default."""
        return Fire(dt=dt, dtmax=dtmax, maxstep=maxstep, flavour="original")

    @staticmethod
    def ase(
        dt: Float[Array, ""] | float = 0.1,
        dtmax: Float[Array, ""] | float = 1.0,
        maxstep: Float[Array, ""] | float | None = 0.2,
    ) -> "Fire":
        """Return FIRE as in ASE, with its defaults."""
        return Fire(dt=dt, dtmax=dtmax, maxstep=maxstep, flavour="ase")

    def begin(
        self,
        potential: AbstractPotential,
        observation: Observation,
        *,
        horizon: Int[Array, ""],
        key: PRNGKeyArray,
    ) -> FireMemory:
        p = cast(self, observation.positions.dtype)
        return FireMemory(
            velocity=jnp.zeros_like(observation.positions),
            dt=p.dt,
            alpha=p.astart,
            downhill=jnp.asarray(0, jnp.int32),
        )

    def move(
        self,
        potential: AbstractPotential,
        state: State[FireMemory],
        *,
        key: PRNGKeyArray,
    ) -> tuple[Float[Array, "n d"], FireMemory]:
        seen, old = state.observation, state.memory
        p = cast(self, seen.positions.dtype)
        verlet = self.flavour == "original"
        force, started = -seen.gradient, state.steps > 0

        velocity = old.velocity
        if verlet:
            # The half kick that completes the last step; there was none at the start.
            velocity = velocity + jnp.where(started, 0.5 * old.dt, 0) * force
        power = jnp.sum(force * velocity)
        # Without motion there is nothing to judge: at the start, and nowhere else in ASE.
        still = (power == 0) & (~started | verlet)
        downhill = (power > 0) | still
        # ASE asks for patience before it counts the step, the original after.
        patient = old.downhill + int(verlet) > self.nmin
        faster = (power > 0) & patient
        kept_dt = jnp.where(downhill, old.dt, old.dt * p.fdec)
        kept_alpha = jnp.where(downhill, old.alpha, p.astart)
        dt = jnp.where(faster, jnp.minimum(old.dt * p.finc, p.dtmax), kept_dt)
        steered = (1 - old.alpha) * velocity + old.alpha * _along(
            velocity, force, SOFTENING if verlet else 0.0
        )

        velocity = jnp.where(downhill, steered, 0) + (0.5 if verlet else 1.0) * dt * force
        step = dt * velocity
        if p.maxstep is not None:
            length = _norm(step)
            over = length > p.maxstep
            step = step * jnp.where(over, p.maxstep / jnp.where(over, length, 1), 1)
        return seen.positions + step, FireMemory(
            velocity=velocity,
            dt=dt,
            alpha=jnp.where(faster, old.alpha * p.fa, kept_alpha),
            downhill=jnp.where(downhill, old.downhill + started.astype(jnp.int32), 0),
        )

    def trainable(self) -> PyTree:
        names = ("dt", "dtmax", "finc")
        positive = names if self.maxstep is None else (*names, "maxstep")
        fractions = ("fdec", "astart", "fa")
        return trained(
            self,
            **dict.fromkeys(positive, "positive"),
            **dict.fromkeys(fractions, "fraction"),
        )


def _along(
    velocity: Float[Array, "n d"], force: Float[Array, "n d"], softening: float
) -> Float[Array, "n d"]:
    """Return the velocity turned into the direction of the force."""
    size = jnp.hypot(_norm(force), jnp.asarray(softening**0.5, force.dtype))
    return force * (_norm(velocity) / jnp.where(size > 0, size, 1))


def _norm(vectors: Float[Array, "n d"]) -> Float[Array, ""]:
    """Return the root of the sum of squares, where these overflow, too."""
    largest = jnp.max(jnp.abs(vectors))
    relative = vectors / jnp.where(largest > 0, largest, 1)
    return largest * jnp.sqrt(jnp.sum(relative**2))
