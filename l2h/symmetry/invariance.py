"""The displacements that keep a structure's symmetry."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from .._leaves import concrete
from .._platform import matmul
from .regions import Ball, Cell, between, images, squared

# Largest distance from an image to the atom it stands for, over the smallest one between
# two atoms.
TOLERANCE = 0.1


class Invariance(eqx.Module):
    r"""How operations permute the atoms of a structure, and what follows for its motion.

    An operation R carries atom i to atom R(i). The displacements u that keep the symmetry
    are those that it carries along, u_{R(i)} = R u_i; any others are projected onto them by

    \[ (P u)_i = \frac{1}{|G|} \sum_{R \in G} R^{-1} u_{R(i)}. \]

    Forces on an invariant structure are such displacements already. Orbit by orbit the sum
    is short: displacements are carried back to the orbit's first atom and averaged, their
    mean is averaged over the operations that leave this atom in place, and carried to all.

    Build it with `Invariance.of`. Under `jax.vmap`, every structure may have a group of its
    own.
    """

    operations: Float[Array, "g 3 3"]
    atoms: Int[Array, "g n"]
    """Number of the atom to which each operation carries each atom."""
    mask: Bool[Array, " g"]
    orbits: Int[Array, " n"]
    """Number of the first atom of the orbit that each atom belongs to."""
    turns: Float[Array, "n 3 3"]
    """Of an operation that carries the orbit's first atom to each."""
    spread: Float[Array, "n 3 3"]
    """What turns the sum over an orbit, carried back, into each atom's displacement."""

    def __init__(
        self,
        operations: Float[Array, "g 3 3"],
        atoms: Int[Array, "g n"],
        mask: Bool[Array, " g"],
    ) -> None:
        """Prepare the projection from operations and how they permute the atoms."""
        n, dtype = atoms.shape[1], operations.dtype
        counts = mask[:, None]
        orbits = jnp.min(jnp.where(counts, atoms, n), axis=0).astype(jnp.int32)
        images = atoms[:, orbits]
        there = counts & (images == jnp.arange(n, dtype=jnp.int32)[None])
        fixing = (counts & (images == orbits[None])).astype(dtype)
        turns = operations[jnp.argmax(there, axis=0)]
        # Divided by all operations at once: by those that leave the first atom in place,
        # and by the atoms of the orbit.
        sites = matmul(fixing.T, operations.reshape(-1, 9)).reshape(n, 3, 3)
        sites = sites / jnp.sum(mask).astype(dtype)
        self.operations, self.atoms, self.mask = operations, atoms, mask
        self.orbits, self.turns, self.spread = orbits, turns, matmul(turns, sites)

    @staticmethod
    def of(
        positions: Float[Array, "n 3"],
        operations: Float[Array, "g 3 3"],
        mask: Bool[Array, " g"] | None = None,
        *,
        shifts: Float[Array, "g 3"] | None = None,
        cell: Float[Array, "3 3"] | None = None,
    ) -> "Invariance":
        """Find out how operations permute the atoms of a structure.

        Arguments:
            positions: of an invariant structure; point operations act about the origin.
            operations: orthogonal matrices of a group, padded to any length.
            mask: which of them count; all if None.
            shifts: added after each, in periodic cells.
            cell: lattice vectors in rows, in periodic cells.

        Raises:
            ValueError: if an image lies far from every atom (where that is known before
                tracing).
        """
        operations = operations.astype(positions.dtype)
        if mask is None:
            mask = jnp.ones(len(operations), bool)
        region = Ball(jnp.zeros((), positions.dtype)) if cell is None else Cell(cell)
        table = operations[:, None]
        moved = images(
            tuple(positions.T), table, None if shifts is None else shifts[:, None]
        )
        there = tuple(c[None, None] for c in positions.T)
        apart = squared(region.reduce(between(tuple(c[..., None] for c in moved), there)))
        known = concrete(jnp.where(mask, jnp.max(jnp.min(apart, axis=-1), axis=-1), 0))
        others = tuple(c[:, None] - c[None] for c in positions.T)
        own = squared(region.reduce(others))
        nearest = jnp.min(jnp.where(jnp.eye(len(positions), dtype=bool), jnp.inf, own))
        limit = concrete(TOLERANCE**2 * nearest)
        if known is not None and limit is not None and np.max(known) > limit:
            worst = int(np.argmax(known))
            raise ValueError(
                f"positions: operation {worst} takes an atom {np.sqrt(known[worst]):.3g} "
                "away from every other; give an invariant structure, its centre at the "
                "origin, or leave that operation out."
            )
        return Invariance(operations, jnp.argmin(apart, axis=-1).astype(jnp.int32), mask)

    def keeping(self, labels: Int[Array, " n"]) -> "Invariance":
        """Return only the operations that carry each atom to one with the same label.

        Arguments:
            labels: species of each atom, for instance.
        """
        same = jnp.all(labels[self.atoms] == labels[None], axis=1)
        return Invariance(self.operations, self.atoms, self.mask & same)

    def renumbered(self, order: Int[Array, " n"]) -> "Invariance":
        """Return the same for `positions[order]`.

        Arguments:
            order: a permutation.
        """
        atoms = jnp.argsort(order)[self.atoms[:, order]].astype(self.atoms.dtype)
        return Invariance(self.operations, atoms, self.mask)

    def project(self, displacements: Float[Array, "n 3"]) -> Float[Array, "n 3"]:
        """Return the part of the displacements that keeps the symmetry."""
        turns, spread = (m.astype(displacements.dtype) for m in (self.turns, self.spread))
        back = _sum(turns.swapaxes(1, 2), displacements)
        sums = jnp.zeros_like(back).at[self.orbits].add(back)
        return _sum(spread, sums[self.orbits])


def _sum(matrices: Float[Array, "n 3 3"], rows: Float[Array, "n 3"]) -> Array:
    """Return one product per row, written out: matrices this small do not vectorise."""
    x, y, z = (matrices[:, :, j] * rows[:, j, None] for j in range(3))
    return x + y + z
