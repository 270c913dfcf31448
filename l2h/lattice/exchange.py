"""Repair on the lattice of a cluster's own atoms and vacant sites."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from .._platform import matmul
from .grow import Growing
from .law import AbstractLaw
from .sites import sites, squared_distances

# Atoms and vacancies among which one exchange chooses: the least bound and the best ones.
WEAKEST, BEST = 16, 32
# Natural energy that an exchange must gain.
GAIN = 0.01
EXCHANGES = 60


class Lattice(eqx.Module):
    """Sites, which of them are occupied, and what an atom on each of them is worth."""

    positions: Float[Array, "t 3"]
    exists: Bool[Array, " t"]
    occupied: Bool[Array, " t"]
    pair: Float[Array, "t t"]
    """Energy of two atoms on two sites; zero on the diagonal."""
    weight: Float[Array, "t t"]
    """Density at one site that is due to an atom on the other."""

    @staticmethod
    def around(
        law: AbstractLaw,
        cluster: Growing,
        length: Float[Array, ""] | float,
        kind: Int[Array, ""] | int = 0,
    ) -> tuple["Lattice", Int[Array, ""]]:
        """Return the lattice of a cluster's atoms and vacant sites, and the probes made.

        Arguments:
            law: what bonds are worth.
            cluster: atoms, in natural lengths.
            length: the natural length, in the unit of the law.
            kind: species of all atoms.
        """
        present = cluster.present
        found = sites(cluster.positions, present, 2 * len(cluster.positions))
        points = jnp.concatenate([cluster.positions, found.positions])
        exists = jnp.concatenate([present, found.valid])
        occupied = jnp.concatenate([present, jnp.zeros_like(found.valid)])
        squared = squared_distances(points, points) * length**2
        see = exists[:, None] & exists[None] & ~jnp.eye(len(points), dtype=bool)
        species = jnp.full(len(points), kind, jnp.int32)
        pair, weight = law.tables(jnp.where(see, squared, jnp.inf), species, species)
        return (
            Lattice(
                points, exists, occupied, jnp.where(see, pair, 0), jnp.where(see, weight, 0)
            ),
            found.probes,
        )

    def energy(self, law: AbstractLaw) -> Float[Array, ""]:
        """Return the energy of the occupied sites."""
        here = self.occupied.astype(self.pair.dtype)
        bonds = 0.5 * jnp.sum(here * matmul(self.pair, here))
        return bonds + jnp.sum(here * law.embed(matmul(self.weight, here)))

    def insertion(self, law: AbstractLaw) -> Float[Array, " t"]:
        """Return what each site is worth: minus the energy of taking its atom out, or the
        energy of putting one in."""
        here = self.occupied.astype(self.pair.dtype)
        bonds = matmul(self.pair, here)
        if not law.embedded:
            return bonds
        density = matmul(self.weight, here)
        sign = jnp.where(self.occupied, -1, 1).astype(bonds.dtype)
        others = (
            law.embed(density[:, None] + self.weight * sign[None])
            - law.embed(density)[:, None]
        )
        felt = jnp.sum(here[:, None] * others, axis=0)
        return bonds + law.embed(density) + sign * felt


def settle(
    law: AbstractLaw,
    cluster: Growing,
    target: Int[Array, ""] | int,
    length: Float[Array, ""] | float,
    unit: Float[Array, ""] | float,
    kind: Int[Array, ""] | int = 0,
) -> tuple[Growing, Float[Array, ""]]:
    """Bring a cluster to a number of atoms and exchange atoms for vacancies while that
    lowers the energy.

    The least bound atom leaves, or the best site is filled, until the number is right;
    then the atom and the vacancy whose exchange gains most change places, until none gains
    more than 0.01. Energies are those of the unrelaxed lattice.

    Arguments:
        law: what bonds are worth.
        cluster: atoms, in natural lengths.
        target: number of atoms to end with.
        length, unit: natural length and energy in the units of the law.
        kind: species of all atoms.

    Returns:
        The cluster, and the energy that exchanges gained (zero: nothing was exchanged).
        If there are too few sites, it has fewer atoms than asked for.
    """
    lattice, probes = Lattice.around(law, cluster, length, kind)

    def insertion(occupied: Bool[Array, " t"]) -> Float[Array, " t"]:
        return eqx.tree_at(lambda o: o.occupied, lattice, occupied).insertion(law)

    def wrong(state: Any) -> Bool[Array, ""]:
        occupied, going = state
        return going & (jnp.sum(occupied, dtype=jnp.int32) != target)

    def correct(state: Any) -> Any:
        occupied, _ = state
        many = jnp.sum(occupied, dtype=jnp.int32) > target
        worth = insertion(occupied)
        loose = jnp.argmax(jnp.where(occupied, worth, -jnp.inf))
        # A site that repels is none, even where an atom is wanted.
        vacant = lattice.exists & ~occupied & (worth < 0)
        best = jnp.argmin(jnp.where(vacant, worth, jnp.inf))
        changed = occupied.at[jnp.where(many, loose, best)].set(~many)
        going = many | jnp.any(vacant)
        return jnp.where(going, changed, occupied), going

    occupied, _ = jax.lax.while_loop(wrong, correct, (lattice.occupied, jnp.asarray(True)))

    def gains(state: Any) -> Bool[Array, ""]:
        _, _, going, count = state
        return going & (count < EXCHANGES)

    def exchange(state: Any) -> Any:
        occupied, total, _, count = state
        a, b, change = _best_exchange(law, lattice, occupied)
        going = change < -GAIN * unit
        moved = occupied.at[a].set(False).at[b].set(True)
        return (
            jnp.where(going, moved, occupied),
            total - jnp.where(going, change, 0),
            going,
            count + 1,
        )

    zero = jnp.zeros((), lattice.pair.dtype)
    start = (occupied, zero, jnp.asarray(True), jnp.asarray(0, jnp.int32))
    occupied, total, _, _ = jax.lax.while_loop(gains, exchange, start)
    m = len(cluster.positions)
    order = jnp.argsort(~occupied, stable=True)[:m]
    count = jnp.sum(occupied, dtype=jnp.int32)
    settled = Growing(lattice.positions[order], count, cluster.probes + probes)
    return settled, total


def _best_exchange(
    law: AbstractLaw, lattice: Lattice, occupied: Bool[Array, " t"]
) -> tuple[Int[Array, ""], Int[Array, ""], Float[Array, ""]]:
    """Return the atom, the vacancy and the change of energy of the best exchange."""
    atoms, holes, change = exchanges(law, lattice, occupied)
    a, b = jnp.divmod(jnp.argmin(change), change.shape[1])
    return atoms[a], holes[b], change[a, b]


def exchanges(
    law: AbstractLaw, lattice: Lattice, occupied: Bool[Array, " t"]
) -> tuple[Int[Array, " a"], Int[Array, " b"], Float[Array, "a b"]]:
    """Return the least bound atoms and the best vacancies, and the change of energy when an
    atom (row) moves into a vacancy (column); infinite where there is none.

    Arguments:
        law: what bonds are worth.
        lattice: sites.
        occupied: which of them hold an atom.
    """
    here = occupied.astype(lattice.pair.dtype)
    worth = eqx.tree_at(lambda o: o.occupied, lattice, occupied).insertion(law)
    vacant = lattice.exists & ~occupied
    t = len(here)
    weak, atoms = jax.lax.top_k(jnp.where(occupied, worth, -jnp.inf), min(WEAKEST, t))
    free, holes = jax.lax.top_k(jnp.where(vacant, -worth, -jnp.inf), min(BEST, t))
    # The energy of the moved atom must not count the bond to where it came from.
    if not law.embedded:
        change = -free[None] - weak[:, None] - lattice.pair[atoms][:, holes]
    else:
        change = _many_body(law, lattice, here, atoms, holes)
    possible = jnp.isfinite(weak)[:, None] & jnp.isfinite(free)[None]
    return atoms, holes, jnp.where(possible, change, jnp.inf)


def _many_body(
    law: AbstractLaw,
    lattice: Lattice,
    here: Float[Array, " t"],
    atoms: Int[Array, " a"],
    holes: Int[Array, " b"],
) -> Float[Array, "a b"]:
    """Return the exact change of energy when each atom moves to each hole."""
    bonds, density = matmul(lattice.pair, here), matmul(lattice.weight, here)
    pair = bonds[holes][None] - lattice.pair[atoms][:, holes] - bonds[atoms][:, None]
    out, into = lattice.weight[:, atoms], lattice.weight[:, holes]
    changed = density[:, None, None] - out[:, :, None] + into[:, None, :]
    stays = here[:, None] - jax.nn.one_hot(atoms, len(here), axis=0, dtype=here.dtype)
    felt = law.embed(changed) - law.embed(density)[:, None, None]
    others = jnp.sum(stays[:, :, None] * felt, axis=0)
    arrives = law.embed(density[holes][None] - lattice.weight[holes][:, atoms].T)
    return pair + others + arrives - law.embed(density[atoms])[:, None]
