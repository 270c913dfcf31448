"""Limited-memory BFGS, one evaluation a step."""

import math

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, PyTree

from .._leaves import as_array, cast, require_positive, trained
from .._platform import barrier, matmul
from ..potentials import AbstractPotential, Observation
from ..spaces import pad_atoms
from .base import AbstractOptimizer, State

PATIENCE = 10
# A rejected step is shrunk to where a parabola through the two energies and the first
# slope has its minimum, but neither by more nor by less than these.
SHORTEST_RETRY, LONGEST_RETRY = 0.1, 0.5
FIRST_STEP = 0.05
# Curvature along a step below this fraction of the gradient's change is not remembered.
FLATTEST = 1e-6


class LBFGSMemory(eqx.Module):
    """The last accepted point, the step under trial, and the curvature seen so far.

    Vectors are flat and in natural units of the potential, positions excepted, and padded
    with zeros to whole vector registers: what remained would be computed number by number.
    """

    positions: Float[Array, "n d"]
    energy: Float[Array, ""]
    gradient: Float[Array, " k"]
    step: Float[Array, " k"]
    """Displacement from the accepted point to the one evaluated next."""
    rows: Float[Array, "r k"]
    """Accepted steps s, the latest first, then the changes y of the gradient along them;
    zero where none is remembered."""
    curvatures: Float[Array, " m"]
    """Products s_i . y_i."""
    inverse: Float[Array, "m m"]
    """Inverse of the lower triangle of all s_i . y_j; zero where none is remembered."""
    changed: Float[Array, "m m"]
    """Products y_i . y_j."""
    failures: Int[Array, ""]
    """Rejected steps since the last accepted one."""


class LBFGS(AbstractOptimizer[LBFGSMemory]):
    r"""Quasi-Newton descent with bounded memory, a step cap and an energy check.

    \[ x' = x - H g, \qquad H \approx (\partial^2 E)^{-1} \]

    with H from the last `history` steps. The longest displacement of an atom is capped at
    `max_step`. If the energy at the new point exceeds the last accepted one by more than
    `rise`, a shorter step from the accepted point is tried; after ten rejections the memory
    is cleared and steepest descent goes on. There is no nested line search: each trial is
    one step. A structure whose gradient is below `tolerance` is evaluated again and again
    without moving.

    Instead of the usual two loops over remembered steps, two matrix-vector products give
    what all of them have in common with the latest change of the gradient and with the
    gradient itself; small triangular systems, whose inverse is remembered, then give the
    weights of one sum, the direction.

    Arguments:
        max_step: largest displacement of an atom in one step, in natural lengths.
        rise: energy that one step may climb, in natural energies.
        tolerance: root mean square of the gradient per coordinate, in natural energies per
            natural length, below which nothing moves any more.
        history: number of steps remembered; static.

    Raises:
        ValueError: if an argument is not positive.

    Reference: Liu and Nocedal 1989, doi:10.1007/BF01589116; with step cap and energy check
        in place of their line search as usual for clusters, Wales and Doye 1997,
        doi:10.1021/jp970984n; products in place of loops: Byrd, Nocedal and Schnabel 1994,
        doi:10.1007/BF01582063.
    """

    max_step: Float[Array, ""] = eqx.field(converter=as_array, default=0.1)
    rise: Float[Array, ""] = eqx.field(converter=as_array, default=1e-4)
    tolerance: Float[Array, ""] = eqx.field(converter=as_array, default=1e-10)
    history: int = eqx.field(static=True, default=10)

    @staticmethod
    def coarse() -> "LBFGS":
        """Return the setting for quenches that need not be exact: few memories and long
        steps (0.4 sigma of Lennard-Jones), which suits gradients down to rms 1e-2
        (docs/baselines.md)."""
        return LBFGS(max_step=0.36, history=4)

    def __check_init__(self) -> None:
        require_positive(max_step=self.max_step, rise=self.rise, tolerance=self.tolerance)
        if self.history < 1:
            raise ValueError(f"history: {self.history} given; remember at least 1 step.")

    def begin(
        self,
        potential: AbstractPotential,
        observation: Observation,
        *,
        horizon: Int[Array, ""],
        key: PRNGKeyArray,
    ) -> LBFGSMemory:
        gradient = _natural(potential, observation)
        blank = jnp.zeros((self.history, self.history), gradient.dtype)
        return LBFGSMemory(
            positions=observation.positions,
            energy=observation.energy,
            gradient=gradient,
            # The start is a trial with a zero step: accepted, and not remembered.
            step=jnp.zeros_like(gradient),
            rows=jnp.zeros((2 * self.history, gradient.size), gradient.dtype),
            curvatures=blank[0],
            inverse=blank,
            changed=blank,
            failures=jnp.asarray(0, jnp.int32),
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
        change = barrier(gradient - old.gradient)
        curvature, flat = jnp.sum(old.step * change), jnp.sum(change**2)

        # What rounding alone may add is no rise.
        noise = 16 * jnp.finfo(dtype).eps * jnp.abs(old.energy)
        climb = (seen.energy - old.energy) / unit.energy
        accepted = seen.energy <= old.energy + p.rise * unit.energy + noise
        accepted &= jnp.all(jnp.isfinite(gradient))
        failures = jnp.where(accepted, 0, old.failures + 1)
        exhausted = failures >= PATIENCE
        # Directions of negative curvature would make H indefinite. The comparisons also
        # exclude zero steps, and changes whose square overflows or vanishes.
        useful = accepted & (curvature > FLATTEST * flat)
        useful &= curvature > jnp.finfo(dtype).tiny
        # A parabola through both energies and the slope at the accepted point.
        slope = jnp.sum(old.gradient * old.step)
        bend = climb - slope
        shorter = -0.5 * slope / jnp.where(bend > 0, bend, 1)
        shorter = jnp.clip(shorter, SHORTEST_RETRY, LONGEST_RETRY)
        # Barriers stand between decisions and vectors: the compiler would otherwise repeat
        # the former for every element of every loop over the latter.
        accepted, exhausted, useful, shorter = barrier(
            (accepted, exhausted, useful, shorter)
        )

        rows = _remember(old, change, useful, exhausted)
        here = barrier(jnp.where(accepted, gradient, old.gradient))
        of_change, of_gradient = barrier((_product(rows, change), _product(rows, here)))
        curvatures, inverse, changed = barrier(
            _grown(old, curvature, of_change, useful, exhausted)
        )
        weights, share = _weights(curvatures, inverse, changed, of_gradient)
        newton = barrier(share * here + jnp.sum(weights[:, None] * rows, axis=0))

        # Rounding may turn an ill-conditioned H against the descent.
        sign = jnp.where(jnp.sum(newton * here) > 0, -1, 1)
        largest, relative, length = _measured(newton, seen.positions.shape)
        capped = largest * length > p.max_step
        reach = sign * jnp.where(capped, p.max_step / length, largest)
        fresh = accepted | exhausted
        settled = jnp.sqrt(jnp.sum(here**2) / seen.positions.size) < p.tolerance
        # Nothing sensible follows from a start without finite gradient: stay.
        still = settled | (fresh & ~jnp.isfinite(largest))
        still, fresh, reach = barrier((still, fresh, reach))
        step = jnp.where(fresh, reach * relative, shorter * old.step)
        step = jnp.where(still, 0, step)
        base = jnp.where(accepted, seen.positions, old.positions)
        memory = LBFGSMemory(
            positions=base,
            energy=jnp.where(accepted, seen.energy, old.energy),
            gradient=here,
            step=step,
            rows=rows,
            curvatures=curvatures,
            inverse=inverse,
            changed=changed,
            failures=jnp.where(exhausted, 0, failures),
        )
        return base + unit.length * step[: base.size].reshape(base.shape), memory

    def trainable(self) -> PyTree:
        return trained(self, max_step="positive", rise="positive")


def _natural(potential: AbstractPotential, seen: Observation) -> Float[Array, " k"]:
    unit = cast(potential.scale, seen.positions.dtype)
    # The barrier keeps the padding out of the loops over vectors.
    return barrier(pad_atoms(seen.gradient.ravel())) * (unit.length / unit.energy)


def _product(matrix: Float[Array, "r k"], vector: Float[Array, " k"]) -> Array:
    return barrier(matmul(matrix, vector))


def _remember(
    old: LBFGSMemory,
    change: Float[Array, " k"],
    useful: Bool[Array, ""],
    exhausted: Bool[Array, ""],
) -> Float[Array, "r k"]:
    """Add the accepted step to the memory, or clear it if patience is exhausted."""
    steps, changes = jnp.split(old.rows, 2)

    def push(rows: Float[Array, "m k"], row: Float[Array, " k"]) -> Float[Array, "m k"]:
        longer = jnp.concatenate([row[None], rows[:-1]])
        return jnp.where(exhausted, 0, jnp.where(useful, longer, rows))

    return barrier(jnp.concatenate([push(steps, old.step), push(changes, change)]))


def _grown(
    old: LBFGSMemory,
    curvature: Float[Array, ""],
    of_change: Float[Array, " r"],
    useful: Bool[Array, ""],
    exhausted: Bool[Array, ""],
) -> tuple[Float[Array, " m"], Float[Array, "m m"], Float[Array, "m m"]]:
    """Add the latest step to curvatures, inverse and products of changes.

    The triangle gains a first row and column and loses its last, in which case its inverse
    changes in the first column only.
    """
    of_steps, of_changes = jnp.split(of_change, 2)
    count = len(of_steps)
    first, rows, columns = np.eye(count)[0] > 0, np.s_[:, None], np.s_[None, :]

    def shifted(table: Array, row: Array, column: Array) -> Array:
        older = jnp.pad(table[:-1, :-1], ((1, 0), (1, 0)))
        return jnp.where(
            first[columns], column[rows], jnp.where(first[rows], row[columns], older)
        )

    def kept(new: Array, table: Array) -> Array:
        return jnp.where(exhausted, 0, jnp.where(useful, new, table))

    # 1 / curvature on the diagonal, and what solves the older rows below.
    latest = 1 / jnp.where(useful, curvature, 1)
    below = jnp.pad(old.inverse[:-1, :-1], ((1, 0), (1, 0)))
    column = jnp.where(first, latest, -latest * _product(below, of_steps))
    longer = jnp.concatenate([curvature[None], old.curvatures[:-1]])
    return (
        kept(longer, old.curvatures),
        kept(shifted(old.inverse, jnp.zeros_like(column), column), old.inverse),
        kept(shifted(old.changed, of_changes, of_changes), old.changed),
    )


def _weights(
    curvatures: Float[Array, " m"],
    inverse: Float[Array, "m m"],
    changed: Float[Array, "m m"],
    of_gradient: Float[Array, " r"],
) -> tuple[Float[Array, " r"], Float[Array, ""]]:
    r"""Return what H times the gradient consists of: the weight of each row, and the share
    of the gradient itself.

    With steps S, changes Y, the triangle R of their products and its diagonal D,

    \[ a = R^{-1} S g, \quad b = R^{-T} (D a - \gamma (Y g - Y Y^T a)), \quad
       H g = \gamma g + S^T b - \gamma Y^T a. \]
    """
    of_steps, of_changes = jnp.split(of_gradient, 2)
    known = curvatures[0] > 0
    share = curvatures[0] / jnp.where(known, changed[0, 0], 1)
    share = jnp.where(known, share, FIRST_STEP)
    first = _product(inverse, of_steps)
    left = of_changes - _product(changed, first)
    second = _product(inverse.T, curvatures * first - share * left)
    weights = jnp.concatenate([second, -share * first])
    # Products with a huge gradient may overflow: then descend along it.
    sound = jnp.all(jnp.isfinite(weights)) & jnp.isfinite(share)
    return barrier((jnp.where(sound, weights, 0), jnp.where(sound, share, FIRST_STEP)))


def _measured(
    step: Float[Array, " k"], shape: tuple[int, ...]
) -> tuple[Float[Array, ""], Float[Array, " k"], Float[Array, ""]]:
    """Return the largest component, the step over it, and by how much the longest
    displacement of an atom exceeds it."""
    # Dividing by the largest component first keeps squares of huge gradients finite.
    largest = jnp.max(jnp.abs(step))
    relative = step / jnp.where(largest > 0, largest, 1)
    atoms = relative[: math.prod(shape)].reshape(shape)
    squares = jnp.sum(atoms**2, axis=1)
    return largest, relative, jnp.sqrt(jnp.max(squares))
