"""What an optimizer does on its way, step by step: minima below, strides, symmetry."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from .._rollout import rollout
from ..domains import Domain, Purpose, attempt_keys
from ..inits import Start, begin_at
from ..optimizers import AbstractOptimizer, quench
from ..potentials import AbstractPotential
from ..symmetry import Invariance
from ..tasks import Task
from ..tasks.base import DRAWN
from .harness import precise
from .minima import assigned


class Walks(eqx.Module):
    """Rollouts from several starts, each state looked at; lengths are natural ones."""

    task: Task
    method: str = eqx.field(static=True)
    """Name of the optimizer."""
    energies: Float[np.ndarray, "b t"]
    """Of every state, the start first, in the potential's unit."""
    radii: Float[np.ndarray, "b t"]
    """Root mean square distance of the atoms from their centre."""
    asymmetry: Float[np.ndarray, "b t"]
    """Root mean square distance of the atoms from where a structure with the symmetry of
    the start would have them; not numbers for starts without symmetry."""
    strides: Float[np.ndarray, "b s"]
    """Root mean square displacement of the atoms in each step."""
    downhill: Float[np.ndarray, "b s"]
    """Cosine of each step's displacement with the forces before it."""
    at: Int[np.ndarray, " q"]
    """Numbers of the steps after which states were quenched."""
    quenched: Float[np.ndarray, "b q"]
    """Energies of the minima below them."""
    basins: Int[np.ndarray, "b q"]
    """Which minimum that was: equal numbers are the same one; -1 for none."""

    @property
    def visited(self) -> Int[np.ndarray, "b q"]:
        """Number of different minima below the states so far."""
        seen: list[set[int]] = [set() for _ in self.basins]
        counts = np.zeros_like(self.basins)
        for q, column in enumerate(self.basins.T.tolist()):
            for known, basin in zip(seen, column, strict=True):
                known.update({basin} - {-1})
            counts[:, q] = [len(known) for known in seen]
        return counts

    @property
    def found(self) -> Float[np.ndarray, " q"]:
        """Fraction of starts that were in the reference minimum's basin; zero where none is
        known."""
        return np.mean(self.task.is_hit(self.quenched), axis=0)


def walk(
    name: str,
    optimizer: AbstractOptimizer,
    task: Task,
    indices: Sequence[int],
    *,
    steps: int,
    every: int,
    seed: int,
    dtype: Any = jnp.float32,
) -> Walks:
    """Let an optimizer go from each start, and look at every state.

    Arguments:
        name: by which it is reported.
        optimizer: any optimizer.
        task: a search problem in three dimensions; where its starts have a symmetry, that
            is followed.
        indices: numbers of the held-out starts, which are those of `evaluate` but for
            their last bits.
        steps: length of each walk.
        every: steps between two states that are quenched; divides `steps`.
        seed: of the starts and of stochastic optimizers.
        dtype: floating-point type of the walks; states are quenched in double precision
            where JAX has it switched on.

    Raises:
        ValueError: if there are no starts, or `every` does not divide `steps`.
    """
    if len(indices) < 1:
        raise ValueError("indices: no starts given; walk from at least one.")
    if steps < 1 or every < 1 or steps % every:
        raise ValueError(
            f"every: {every} does not divide {steps} steps; give positive numbers that do."
        )
    numbers, none = jnp.asarray(list(indices), jnp.int32), jnp.asarray(0, jnp.int32)
    starts, search = (
        attempt_keys(Domain.TEST.key(seed), numbers, none, jnp.asarray(p, jnp.int32))
        for p in (Purpose.START, Purpose.SEARCH)
    )
    seen = _walks(optimizer, task, starts, search, steps, jnp.dtype(dtype))
    positions = np.asarray(seen.pop("positions"))
    at = np.arange(0, steps + 1, every)
    energies, relaxed = _below(task.potential, jnp.asarray(positions[:, at], precise()))
    flat = np.asarray(relaxed).reshape(-1, *positions.shape[2:])
    basins = assigned(task, np.asarray(energies).ravel(), flat)
    return Walks(
        task=task,
        method=name,
        **{key: np.asarray(value, np.float64) for key, value in seen.items()},
        at=at,
        quenched=np.asarray(energies, np.float64),
        basins=basins.reshape(len(positions), -1),
    )


@eqx.filter_jit
def _walks(
    optimizer: AbstractOptimizer,
    task: Task,
    starts: Any,
    search: Any,
    steps: int,
    dtype: Any,
) -> dict[str, Array]:
    """Walk from all starts at once, then look at the states of one start after another."""

    def begin(key: PRNGKeyArray) -> Start:
        return begin_at(task.init, key, task.potential, task.n, DRAWN)

    begun = jax.vmap(begin)(starts)
    positions = begun.positions.astype(dtype)

    def go(start: Float[Array, "n d"], key: PRNGKeyArray) -> Float[Array, "t n d"]:
        trace = rollout(
            optimizer, task.potential, start, steps, key=key, trace_every=1
        ).trace
        assert trace is not None
        return trace.positions

    ways = jax.vmap(go)(positions, search)
    looks = jax.lax.map(
        lambda pair: _looks(task.potential, *pair), (ways, begun.invariance)
    )
    return {**looks, "positions": ways}


def _looks(
    potential: AbstractPotential,
    way: Float[Array, "t n d"],
    invariance: Invariance | None,
) -> dict[str, Array]:
    """Return what there is to see along one walk."""
    length = potential.scale.length.astype(way.dtype)
    seen = jax.vmap(potential.observe)(way)
    moved, forces = way[1:] - way[:-1], -seen.gradient[:-1]
    inner = jnp.sum(moved * forces, axis=(1, 2))
    sizes = jnp.sqrt(jnp.sum(moved**2, axis=(1, 2)) * jnp.sum(forces**2, axis=(1, 2)))
    away = way - jnp.mean(way, axis=1, keepdims=True)
    if invariance is None:
        broken = jnp.full(len(way), jnp.nan, way.dtype)
    else:
        broken = _rms(away - jax.vmap(invariance.project)(away)) / length
        broken = jnp.where(jnp.sum(invariance.mask) > 1, broken, jnp.nan)
    return {
        "energies": seen.energy,
        "radii": _rms(away) / length,
        "asymmetry": broken,
        "strides": _rms(moved) / length,
        "downhill": inner / jnp.where(sizes > 0, sizes, 1),
    }


def _rms(vectors: Float[Array, "t n d"]) -> Float[Array, " t"]:
    """Return root mean square lengths over the atoms."""
    return jnp.sqrt(jnp.mean(jnp.sum(vectors**2, axis=2), axis=1))


@eqx.filter_jit
def _below(
    potential: AbstractPotential, states: Float[Array, "b q n d"]
) -> tuple[Float[Array, "b q"], Float[Array, "b q n d"]]:
    """Return energies and structures of the minima below, the states of one start at once;
    infinite energies where a quench did not converge."""

    def one(row: Float[Array, "q n d"]) -> tuple[Array, Array]:
        found = jax.vmap(partial(quench, potential, tolerance=1e-6))(row)
        return jnp.where(found.converged, found.energy, jnp.inf), found.positions

    return jax.lax.map(one, states)
