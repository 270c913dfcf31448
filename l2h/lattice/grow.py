"""Growth of a cluster, orbit by orbit of its vacant sites."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from .._platform import einsum, matmul
from ..spaces import padded
from .sites import SAME, Sites, probe, sites, squared_distances

# Images of a site that are closer are one atom, at their mean; those closer than the
# second number, after that, are equal but for rounding.
TOGETHER, EQUAL = 0.3, 0.03
# Fraction of atoms added before sites are looked for again, and how much more loosely than
# the first an orbit of one round may be bound.
ROUND, LOOSENESS = 0.3, 0.75
ROUNDS = 24
# An atom that others of its round or orbit repel by more does not fit.
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
        return jnp.arange(len(self.positions), dtype=jnp.int32) < self.count


def representatives(
    points: Float[Array, "s 3"],
    operations: Float[Array, "g 3 3"],
    mask: Bool[Array, " g"],
) -> Float[Array, "s 3"]:
    """Return the same point for all members of an orbit: its image farthest along a
    direction of no symmetry.

    Arguments:
        points: any.
        operations: of a point group, padded.
        mask: which of them count.
    """
    direction = jnp.asarray(GENERIC, points.dtype)
    along = matmul(einsum("gij,i->gj", operations, direction), points.T)
    best = jnp.argmax(jnp.where(mask[:, None], along, -jnp.inf), axis=0)
    return einsum("sij,sj->si", operations[best], points)


def orbit(
    point: Float[Array, "3"], operations: Float[Array, "g 3 3"], mask: Bool[Array, " g"]
) -> tuple[Float[Array, "g 3"], Bool[Array, " g"]]:
    """Return the images of a point, and which of them are not equal to an earlier one.

    A point that nearly coincides with images of its own moves to their mean first: onto
    the axis or mirror plane beside which it lies.

    Arguments:
        point: anywhere.
        operations: of a point group, padded.
        mask: which of them count.
    """

    def merged(point: Float[Array, "3"], reach: Float[Array, ""]) -> tuple[Array, None]:
        images = matmul(operations, point)
        near = mask & (jnp.sum((images - point[None]) ** 2, axis=1) < reach**2)
        weights = near.astype(point.dtype)
        return matmul(weights, images) / jnp.sum(weights), None

    reaches = jnp.asarray((TOGETHER, TOGETHER, TOGETHER, EQUAL), point.dtype)
    images = matmul(operations, jax.lax.scan(merged, point, reaches)[0])
    equal = squared_distances(images, images) < EQUAL**2
    earlier = np.triu(np.ones((len(images), len(images)), bool), 1)
    return images, mask & ~jnp.any(equal & earlier & mask[:, None], axis=0)


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
        angles = matmul(points, self.waves.T) + self.phases[None]
        return jnp.sqrt(2.0 / WAVES).astype(points.dtype) * jnp.sum(jnp.cos(angles), axis=1)


def grow(
    key: PRNGKeyArray,
    core: Growing,
    operations: Float[Array, "g 3 3"],
    mask: Bool[Array, " g"],
    target: Int[Array, ""] | int,
    most: Int[Array, ""] | int,
    noise: Float[Array, ""],
    preference: Callable[[Growing, Sites], Float[Array, " s"]] | None = None,
) -> Growing:
    """Add whole orbits of vacant sites until there are enough atoms.

    The most strongly bound orbit joins first, after each binding energy was changed by a
    random number that its members share, and by what is preferred. Sites are looked for
    again after a third more atoms, or when the next orbit is much more loosely bound than
    the first.

    Arguments:
        key: of the noise.
        core: where growth begins; invariant under the group.
        operations: of the point group, padded.
        mask: which of them count.
        target: atoms to be reached.
        most: atoms that must not be exceeded; orbits that would are left out.
        noise: standard deviation of the change, in natural energies.
        preference: what is added to the energies of a round's sites, of a cluster at the
            round's beginning, in natural energies; equal for all members of an orbit.

    Returns:
        The cluster, invariant under the group, with at least `target` atoms, or fewer if no
        orbit fits any more.
    """
    field = Field.draw(key, core.positions.dtype)

    def unfinished(state: tuple[Growing, Any, Any]) -> Bool[Array, ""]:
        cluster, rounds, added = state
        return (cluster.count < target) & (rounds < ROUNDS) & added

    def one_round(state: tuple[Growing, Any, Any]) -> tuple[Growing, Any, Any]:
        cluster, rounds, _ = state
        found = _found(cluster)
        change = noise * field(representatives(found.positions, operations, mask))
        if preference is not None:
            change = change + preference(cluster, found)
        grown = _fill(cluster, found, change, operations, mask, target, most)
        return grown, rounds + 1, grown.count > cluster.count

    start = (core, jnp.asarray(0, jnp.int32), jnp.asarray(True))
    return jax.lax.while_loop(unfinished, one_round, start)[0]


def _found(cluster: Growing) -> Sites:
    """Return the sites of a cluster; while it is small, of the first half of the array
    alone, which takes a third of the time."""
    m = len(cluster.positions)
    half = min(m, padded(m // 2))

    def among(rows: int) -> Sites:
        found = sites(cluster.positions[:rows], cluster.present[:rows], 2 * rows)
        extra = 2 * (m - rows)
        return Sites(
            jnp.pad(found.positions, ((0, extra), (0, 0))),
            jnp.pad(found.energies, (0, extra), constant_values=jnp.inf),
            found.probes,
        )

    return jax.lax.cond(cluster.count <= half, lambda: among(half), lambda: among(m))


def _fill(
    cluster: Growing,
    found: Sites,
    change: Float[Array, " s"],
    operations: Float[Array, "g 3 3"],
    mask: Bool[Array, " g"],
    target: Int[Array, ""] | int,
    most: Int[Array, ""] | int,
) -> Growing:
    """Add orbits of the sites of one round."""
    x, present = cluster.positions, cluster.present
    m = len(x)
    batch = jnp.maximum(4, (ROUND * cluster.count.astype(x.dtype)).astype(jnp.int32))
    enough = jnp.minimum(target - cluster.count, batch)

    def unfinished(state: Any) -> Bool[Array, ""]:
        _, _, _, added, going = state
        return going & (added < enough)

    def add(state: Any) -> Any:
        positions, open_, bound, added, _ = state
        first = jnp.argmin(jnp.where(open_, found.energies + bound + change, jnp.inf))
        energy = found.energies[first] + bound[first]
        strong = open_[first]
        strong &= (added == 0) | (energy <= LOOSENESS * found.energies[0])
        images, new = orbit(found.positions[first], operations, mask)
        size = jnp.sum(new, dtype=jnp.int32)
        # What holds for one member of an orbit holds for all.
        others = new & (jnp.arange(len(new), dtype=jnp.int32) > 0)
        fits = probe(images, others, images[:1])[0] < CLASH
        fits &= probe(x, present, images[:1])[0] < CLASH
        fits &= bound[first] < CLASH
        fits &= cluster.count + added + size <= most
        joins = strong & fits
        number = cluster.count + added + jnp.cumsum(new, dtype=jnp.int32) - 1
        slots = jnp.where(new & joins, number, m)
        away = squared_distances(images, found.positions)
        taken = jnp.any(new[:, None] & (away < SAME**2), axis=0).at[first].set(True)
        extra = probe(images, new, found.positions)
        return (
            positions.at[slots].set(images, mode="drop"),
            open_ & ~taken,
            bound + jnp.where(joins, extra, 0),
            added + jnp.where(joins, size, 0),
            strong,
        )

    zero = jnp.asarray(0, jnp.int32)
    bound = jnp.zeros(len(found.energies), x.dtype)
    start = (x, found.valid, bound, zero, jnp.asarray(True))
    positions, _, _, added, _ = jax.lax.while_loop(unfinished, add, start)
    return Growing(positions, cluster.count + added, cluster.probes + found.probes)
