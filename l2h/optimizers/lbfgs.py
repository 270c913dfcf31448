"""Limited-memory BFGS, one evaluation a step."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, PyTree

from .._leaves import as_array, cast, require_positive
from ..potentials import AbstractPotential, Observation
from .base import AbstractOptimizer, State, trained

PATIENCE = 10
# A rejected step is shrunk to where a parabola through the two energies and the first
# slope has its minimum, but neither by more nor by less than these.
SHORTEST_RETRY, LONGEST_RETRY = 0.1, 0.5
FIRST_STEP = 0.05
# Curvature along a step below this fraction of the gradient's change is not remembered.
FLATTEST = 1e-6


class LBFGSMemory(eqx.Module):
    """The last accepted point, the step under trial, and the curvature seen so far.

    Vectors are flat and in natural units of the potential, positions excepted.
    """

    positions: Float[Array, "n d"]
    energy: Float[Array, ""]
    gradient: Float[Array, " k"]
    step: Float[Array, " k"]
    """Displacement from the accepted point to the one evaluated next."""
    displacements: Float[Array, "m k"]
    """Accepted steps, the latest first; zero where none is remembered."""
    changes: Float[Array, "m k"]
    """Changes of the gradient along them."""
    inverses: Float[Array, " m"]
    """1 / (displacement . change), zero where nothing is remembered."""
    failures: Int[Array, ""]
    """Rejected steps since the last accepted one."""
    converged_at: Int[Array, ""]
    """Evaluations made when the gradient first fell below `tolerance`; zero before."""


class LBFGS(AbstractOptimizer[LBFGSMemory]):
    r"""Quasi-Newton descent with bounded memory, a step cap and an energy check.

    \[ x' = x - H g, \qquad H \approx (\partial^2 E)^{-1} \]

    with H from the last `memory` steps. The longest displacement of an atom is capped at
    `longest`. If the energy at the new point exceeds the last accepted one by more than
    `rise`, a shorter step from the accepted point is tried; after ten rejections the memory
    is cleared and steepest descent goes on. There is no nested line search: each trial is
    one step. A structure whose gradient is below `tolerance` is evaluated again and again
    without moving.

    Arguments:
        longest: largest displacement of an atom in one step, in natural lengths.
        rise: energy that one step may climb, in natural energies.
        tolerance: root mean square of the gradient per coordinate, in natural energies per
            natural length, below which nothing moves any more.
        memory: number of steps remembered; static.

    Raises:
        ValueError: if an argument is not positive.

    Reference: Liu and Nocedal 1989, doi:10.1007/BF01589116; with step cap and energy check
        in place of their line search as usual for clusters, Wales and Doye 1997,
        doi:10.1021/jp970984n.
    """

    longest: Float[Array, ""] = eqx.field(converter=as_array, default=0.1)
    rise: Float[Array, ""] = eqx.field(converter=as_array, default=1e-4)
    tolerance: Float[Array, ""] = eqx.field(converter=as_array, default=1e-10)
    memory: int = eqx.field(static=True, default=10)

    def __check_init__(self) -> None:
        require_positive(longest=self.longest, rise=self.rise, tolerance=self.tolerance)
        if self.memory < 1:
            raise ValueError(f"memory: {self.memory} given; remember at least 1 step.")

    def begin(
        self,
        potential: AbstractPotential,
        observation: Observation,
        *,
        horizon: Int[Array, ""],
        key: PRNGKeyArray,
    ) -> LBFGSMemory:
        gradient = _natural(potential, observation)
        blank = jnp.zeros((self.memory, gradient.size), gradient.dtype)
        return LBFGSMemory(
            positions=observation.positions,
            energy=observation.energy,
            gradient=gradient,
            # The start is a trial with a zero step: accepted, and not remembered.
            step=jnp.zeros_like(gradient),
            displacements=blank,
            changes=blank,
            inverses=blank[:, 0],
            failures=jnp.asarray(0, jnp.int32),
            converged_at=jnp.asarray(0, jnp.int32),
        )

    def move(
        self,
        potential: AbstractPotential,
        state: State[LBFGSMemory],
        *,
        key: PRNGKeyArray,
    ) -> tuple[Float[Array, "n d"], LBFGSMemory]:
        seen, old = state.observation, state.memory
        dtype = seen.positions.dtype
        p, unit = cast((self, potential.scale), dtype)
        gradient = _natural(potential, seen)

        # What rounding alone may add is no rise.
        noise = 16 * jnp.finfo(dtype).eps * jnp.abs(old.energy)
        accepted = seen.energy <= old.energy + p.rise * unit.energy + noise
        accepted &= jnp.all(jnp.isfinite(gradient))
        failures = jnp.where(accepted, 0, old.failures + 1)
        exhausted = failures >= PATIENCE

        displacements, changes, inverses = _remember(
            old, gradient - old.gradient, accepted, exhausted
        )
        here = jnp.where(accepted, gradient, old.gradient)
        onward = _direction(here, displacements, changes, inverses)
        capped = _cap(onward, p.longest, seen.positions.shape)
        # A parabola through both energies and the slope at the accepted point.
        slope = jnp.sum(old.gradient * old.step)
        bend = (seen.energy - old.energy) / unit.energy - slope
        factor = -0.5 * slope / jnp.where(bend > 0, bend, 1)
        retry = old.step * jnp.clip(factor, SHORTEST_RETRY, LONGEST_RETRY)
        step = jnp.where(accepted | exhausted, capped, retry)

        settled = jnp.sqrt(jnp.mean(here**2)) < p.tolerance
        # Nothing sensible follows from a start without finite gradient: stay.
        step = jnp.where(settled | ~jnp.all(jnp.isfinite(step)), 0, step)
        base = jnp.where(accepted, seen.positions, old.positions)
        memory = LBFGSMemory(
            positions=base,
            energy=jnp.where(accepted, seen.energy, old.energy),
            gradient=here,
            step=step,
            displacements=displacements,
            changes=changes,
            inverses=inverses,
            failures=jnp.where(exhausted, 0, failures),
            converged_at=jnp.where(
                settled & (old.converged_at == 0), state.evaluations, old.converged_at
            ),
        )
        return base + unit.length * step.reshape(base.shape), memory

    def trainable(self) -> PyTree:
        return trained(self, longest="positive", rise="positive")


def _natural(potential: AbstractPotential, seen: Observation) -> Float[Array, " k"]:
    unit = cast(potential.scale, seen.positions.dtype)
    return seen.gradient.ravel() * (unit.length / unit.energy)


def _remember(
    old: LBFGSMemory,
    change: Float[Array, " k"],
    accepted: Bool[Array, ""],
    exhausted: Bool[Array, ""],
) -> tuple[Float[Array, "m k"], Float[Array, "m k"], Float[Array, " m"]]:
    """Add the accepted step to the memory, or clear it if patience is exhausted."""
    curvature = jnp.sum(old.step * change)
    # Directions of negative curvature would make H indefinite. The comparison also
    # excludes zero steps and changes whose square overflows.
    useful = accepted & (curvature > FLATTEST * jnp.sum(change**2))

    def push(rows: Array, row: Array) -> Array:
        longer = jnp.concatenate([row[None], rows[:-1]])
        return jnp.where(exhausted, 0, jnp.where(useful, longer, rows))

    inverse = 1 / jnp.where(useful, curvature, 1)
    return (
        push(old.displacements, old.step),
        push(old.changes, change),
        push(old.inverses, inverse),
    )


def _direction(
    gradient: Float[Array, " k"],
    displacements: Float[Array, "m k"],
    changes: Float[Array, "m k"],
    inverses: Float[Array, " m"],
) -> Float[Array, " k"]:
    """Return minus H times the gradient, by the two-loop recursion."""
    count = inverses.shape[0]
    q, weights = gradient, []
    for i in range(count):
        weights.append(inverses[i] * jnp.sum(displacements[i] * q))
        q = q - weights[i] * changes[i]
    known = inverses[0] > 0
    square = jnp.where(known, inverses[0] * jnp.sum(changes[0] ** 2), 1)
    q = q * jnp.where(known, 1 / square, FIRST_STEP)
    for i in reversed(range(count)):
        q = q + (weights[i] - inverses[i] * jnp.sum(changes[i] * q)) * displacements[i]
    # Rounding may turn an ill-conditioned H against the descent.
    return jnp.where(jnp.sum(q * gradient) > 0, -q, q)


def _cap(
    step: Float[Array, " k"], longest: Float[Array, ""], shape: tuple[int, ...]
) -> Float[Array, " k"]:
    """Shorten the whole step so that no atom moves by more than `longest`."""
    # Dividing by the largest component first keeps squares of huge gradients finite.
    largest = jnp.max(jnp.abs(step))
    relative = step / jnp.where(largest > 0, largest, 1)
    atoms = jnp.sqrt(jnp.max(jnp.sum(relative.reshape(shape) ** 2, axis=1)))
    length = largest * atoms
    return jnp.where(
        length > longest, relative * (longest / jnp.where(atoms > 0, atoms, 1)), step
    )
