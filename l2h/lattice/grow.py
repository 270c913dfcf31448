"""Growth of a cluster, orbit by orbit of its vacant sites."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from .sites import Sites, sites

# Sites whose representatives are closer belong to one orbit.
TOGETHER = 0.3
# Fraction of atoms added before sites are looked for again, and how much more loosely than
# the first an orbit of one round may be bound.
ROUND, LOOSENESS = 0.3, 0.75
ROUNDS = 24
# An orbit whose members repel each other by more does not fit.
CLASH = 1.0
WAVES = 6
# A direction without relation to any symmetry element.
GENERIC = (0.7391, 0.5713, 0.3568)


class Growing(eqx.Module):
    """A cluster in an array with room for more atoms, in natural lengths."""

    positions: Float[Array, "m 3"]
    count: Int[Array, ""]
    """Atoms present: the first ones of the array."""
    probes: Int[Array, ""]
    """Site probes so far."""

    @property
    def present(self) -> Bool[Array, " m"]:
        """Which atoms exist."""
        return jnp.arange(len(self.positions)) < self.count


def representatives(
    points: Float[Array, "s 3"], operations: Float[Array, "g 3 3"], count: Int[Array, ""]
) -> Float[Array, "s 3"]:
    """Return the same point for all members of an orbit: its image farthest along a
    direction of no symmetry.

    Arguments:
        points: any.
        operations: of a point group, padded.
        count: how many of them count.
    """
    direction = jnp.asarray(GENERIC, points.dtype)
    along = jnp.einsum("gij,i->gj", operations, direction) @ points.T
    exists = jnp.arange(len(operations)) < count
    best = jnp.argmax(jnp.where(exists[:, None], along, -jnp.inf), axis=0)
    return jnp.einsum("sij,sj->si", operations[best], points)


class Field(eqx.Module):
    """A random smooth function of position, of mean zero and variance one: noise that all
    members of an orbit share."""

    waves: Float[Array, "w 3"]
    phases: Float[Array, " w"]

    @staticmethod
    def draw(key: PRNGKeyArray, dtype: Any) -> "Field":
        """Draw a field; it decorrelates within half a natural length."""
        a, b = jax.random.split(key)
        waves = 3 * jax.random.normal(a, (WAVES, 3), dtype)
        return Field(waves, 2 * jnp.pi * jax.random.uniform(b, (WAVES,), dtype))

    def __call__(self, points: Float[Array, "s 3"]) -> Float[Array, " s"]:
        angles = points @ self.waves.T + self.phases
        return jnp.sqrt(2.0 / WAVES).astype(points.dtype) * jnp.sum(jnp.cos(angles), axis=1)


def grow(
    key: PRNGKeyArray,
    core: Growing,
    operations: Float[Array, "g 3 3"],
    order: Int[Array, ""],
    target: Int[Array, ""] | int,
    most: Int[Array, ""] | int,
    noise: Float[Array, ""],
) -> Growing:
    """Add whole orbits of vacant sites until there are enough atoms.

    The most strongly bound orbit joins first, after each binding energy was changed by a
    random number that its members share. Sites are looked for again after a third more
    atoms, or when the next orbit is much more loosely bound than the first.

    Arguments:
        key: of the noise.
        core: where growth begins; invariant under the group.
        operations: of the point group, padded.
        order: how many operations there are.
        target: atoms to be reached.
        most: atoms that must not be exceeded; orbits that would are left out.
        noise: standard deviation of the change, in natural energies.

    Returns:
        The cluster with at least `target` atoms, or fewer if no orbit fits any more.
    """
    field = Field.draw(key, core.positions.dtype)

    def unfinished(state: tuple[Growing, Any, Any]) -> Bool[Array, ""]:
        cluster, rounds, added = state
        return (cluster.count < target) & (rounds < ROUNDS) & added

    def one_round(state: tuple[Growing, Any, Any]) -> tuple[Growing, Any, Any]:
        cluster, rounds, _ = state
        found = sites(cluster.positions, cluster.present, 2 * len(cluster.positions))
        marks = representatives(found.positions, operations, order)
        chosen = _choose(found, marks, noise * field(marks), cluster.count, target, most)
        grown = _joined(cluster, found, chosen)
        return grown, rounds + 1, grown.count > cluster.count

    start = (core, jnp.asarray(0, jnp.int32), jnp.asarray(True))
    return jax.lax.while_loop(unfinished, one_round, start)[0]


def _choose(
    found: Sites,
    marks: Float[Array, "s 3"],
    noise: Float[Array, " s"],
    count: Int[Array, ""],
    target: Int[Array, ""] | int,
    most: Int[Array, ""] | int,
) -> Bool[Array, " s"]:
    """Return the sites that join in one round."""
    x = found.positions
    squared = jnp.maximum(sum((c[:, None] - c) ** 2 for c in x.T), 0.1)
    sixth = 1 / squared**3
    itself = jnp.eye(len(x), dtype=bool)
    bonds = jnp.where(itself, 0, sixth * (sixth - 2))
    batch = jnp.maximum(4, (ROUND * count.astype(x.dtype)).astype(jnp.int32))
    enough = jnp.minimum(target - count, batch)

    def unfinished(state: Any) -> Bool[Array, ""]:
        _, _, _, added, going = state
        return going & (added < enough)

    def add(state: Any) -> Any:
        open_, chosen, bound, added, _ = state
        score = jnp.where(open_, found.energies + bound + noise, jnp.inf)
        first = jnp.argmin(score)
        energy = found.energies[first] + bound[first]
        strong = jnp.isfinite(score[first])
        strong &= (added == 0) | (energy <= LOOSENESS * found.energies[0])
        apart = jnp.sum((marks - marks[first]) ** 2, axis=1)
        orbit = open_ & (apart < TOGETHER**2)
        size = jnp.sum(orbit, dtype=jnp.int32)
        extra = bonds @ orbit.astype(x.dtype)
        fits = jnp.max(jnp.where(orbit, extra, -jnp.inf)) < CLASH
        fits &= jnp.max(jnp.where(orbit, bound, -jnp.inf)) < CLASH
        fits &= count + added + size <= most
        joins = strong & fits
        return (
            open_ & ~orbit,
            chosen | (orbit & joins),
            bound + jnp.where(joins, extra, 0),
            added + jnp.where(joins, size, 0),
            strong,
        )

    zero = jnp.asarray(0, jnp.int32)
    none = jnp.zeros(len(x), bool)
    bound = jnp.zeros(len(x), x.dtype)
    start = (found.valid, none, bound, zero, jnp.asarray(True))
    return jax.lax.while_loop(unfinished, add, start)[1]


def _joined(cluster: Growing, found: Sites, chosen: Bool[Array, " s"]) -> Growing:
    number = jnp.cumsum(chosen, dtype=jnp.int32)
    m = len(cluster.positions)
    slot = jnp.where(chosen, cluster.count + number - 1, m)
    positions = cluster.positions.at[slot].set(found.positions, mode="drop")
    return Growing(positions, cluster.count + number[-1], cluster.probes + found.probes)
