"""Random structures that a group of operations leaves as they are."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from .point_groups import WITH_CENTRE, WITHOUT_CENTRE
from .regions import Ball, Cell, Coordinates, between, images, squared

SPECIAL = 0.6
SPACING = 0.7
# After so many rejected points, atoms may come a little closer, farther from the origin.
RELAX_AFTER, CLOSER, FARTHER = 40, 0.95, 1.02
PATIENCE = 400
# Points drawn at once, whole vector registers of them, and how many of these may join.
PROPOSALS, ADMISSIONS = 32, 6
# What an image must not exceed to count as the point itself. Points are moved onto their
# special position first, so that the distance is zero but for rounding.
COINCIDENT, EXACT = 0.03, 1e-3

# Operations, shifts and mask.
Group = tuple[Array, Array | None, Array]


class Fill(NamedTuple):
    """A structure in an array of fixed length."""

    positions: Float[Array, "capacity 3"]
    """The first `count` rows are atoms, orbit by orbit; the others are zero."""
    count: Int[Array, ""]
    ok: Bool[Array, ""]
    """Whether the target was reached; if not, there are fewer atoms than that."""


class _Filling(NamedTuple):
    coordinates: Float[Array, "3 capacity"]
    count: Int[Array, ""]
    failures: Int[Array, ""]
    rounds: Int[Array, ""]


# What has been filled, squared distances of the points drawn to the nearest atom, the
# first of them that has not been tried, and how many times one was chosen.
Admission = tuple[_Filling, Array, Array, Array]


def symmetric_fill(
    key: PRNGKeyArray,
    operations: Float[Array, "g 3 3"],
    mask: Bool[Array, " g"],
    target: Int[Array, ""] | int,
    largest: Int[Array, ""] | int,
    radius: Float[Array, ""] | float,
    *,
    capacity: int,
    special: Float[Array, ""] | float = SPECIAL,
    spacing: Float[Array, ""] | float = SPACING,
    completions: Int[Array, " m"] | None = None,
) -> Fill:
    """Place random orbits of a point group in a ball until there are enough atoms.

    A point, uniform in the ball, is replaced three times by the mean of those of its
    images that lie within `special` of it: this is how atoms come to lie on axes and
    mirror planes. Its orbit joins if all distances exceed `spacing` and no more than
    `largest` atoms result. Every 40 rejected points `spacing` shrinks by 5 % and the ball
    grows by 2 %; 400 end it.

    Arguments:
        key: determines the structure, together with the other arguments.
        operations: of a group, padded to any length.
        mask: which of them count.
        target: atoms wanted.
        largest: atoms allowed, at least `target`, at most `capacity`.
        radius: of the ball, in natural lengths, as are all lengths here.
        capacity: static length of the result.
        special: distance within which images of a point merge.
        spacing: smallest distance of two atoms, at first.
        completions: which numbers of missing atoms are sums of orbits, as
            `completions` tells; orbits that lead to no exact `largest` are then
            rejected, and the centre is filled first where it must be.

    Returns:
        An invariant structure, with the number of its atoms and whether they suffice.
    """
    dtype = operations.dtype
    region = Ball(jnp.asarray(radius, dtype))
    lengths = jnp.asarray(special, dtype), jnp.asarray(spacing, dtype)
    group = operations, None, mask
    return _fill(key, group, region, target, largest, capacity, lengths, completions)


def cell_fill(
    key: PRNGKeyArray,
    operations: Float[Array, "g 3 3"],
    shifts: Float[Array, "g 3"],
    mask: Bool[Array, " g"],
    target: Int[Array, ""] | int,
    cell: Float[Array, "3 3"],
    *,
    capacity: int,
    special: Float[Array, ""] | float = SPECIAL,
    spacing: Float[Array, ""] | float = SPACING,
) -> Fill:
    """Place random orbits of a space group in a periodic cell, as `symmetric_fill` does.

    Arguments:
        key: determines the structure, together with the other arguments.
        operations: orthogonal matrices, padded to any length.
        shifts: added after each, Cartesian.
        mask: which of them count; together with the cell's translations, a group.
        target: atoms wanted, and not exceeded.
        cell: lattice vectors in rows, in natural lengths, as are all lengths here.
        capacity: static length of the result.
        special: distance within which images of a point merge.
        spacing: smallest distance of two atoms, at first.

    Returns:
        An invariant structure, with the number of its atoms and whether they suffice.
    """
    dtype = operations.dtype
    lengths = jnp.asarray(special, dtype), jnp.asarray(spacing, dtype)
    group = operations, shifts, mask
    return _fill(key, group, Cell(cell), target, target, capacity, lengths, None)


def _fill(
    key: PRNGKeyArray,
    group: Group,
    region: Ball | Cell,
    target: Int[Array, ""] | int,
    largest: Int[Array, ""] | int,
    capacity: int,
    lengths: tuple[Float[Array, ""], Float[Array, ""]],
    completions: Int[Array, " m"] | None,
) -> Fill:
    operations, shifts, mask = group
    dtype = operations.dtype
    special, spacing = lengths
    order = jnp.sum(mask, dtype=jnp.int32)
    target = jnp.asarray(target, jnp.int32)
    largest = jnp.minimum(jnp.asarray(largest, jnp.int32), capacity)
    numbers = jnp.arange(PROPOSALS, dtype=jnp.int32)
    places = jnp.arange(capacity, dtype=jnp.int32)
    zero = jnp.asarray(0, jnp.int32)

    def unfinished(now: _Filling) -> Bool[Array, ""]:
        return (now.count < target) & (now.failures < PATIENCE)

    def room(points: Coordinates, atoms: Coordinates, there: Bool[Array, " m"]) -> Array:
        """Return each point's squared distance to the nearest atom that is there."""
        columns = tuple(c[:, None] for c in atoms)
        rows = tuple(c[None] for c in points)
        apart = squared(region.reduce(between(columns, rows)))
        return jnp.min(jnp.where(there[:, None], apart, jnp.inf), axis=0)

    def vacant_centre(now: _Filling, near: Float[Array, ""]) -> Bool[Array, ""]:
        apart = squared(tuple(now.coordinates)) > near
        return jnp.all(apart | (places >= now.count))

    def body(now: _Filling) -> _Filling:
        times = (now.failures // RELAX_AFTER).astype(dtype)
        near = (spacing * CLOSER**times) ** 2
        points = region.draw(
            jax.random.fold_in(key, now.rounds), PROPOSALS, FARTHER**times, dtype
        )
        if completions is not None:
            # No structure has this many atoms and none at the centre: the first is there.
            due = completions[largest - now.count] == WITH_CENTRE
            central = due & vacant_centre(now, near) & (numbers == 0)
            points = tuple(jnp.where(central, 0, c) for c in points)
        for reach in (special, special, special, jnp.asarray(COINCIDENT, dtype)):
            points = _merge(points, group, region, reach)
        fixed, nearest = _own_images(points, group, region)
        orbit = order // fixed
        # The group carries any pair of an orbit to one that holds the point itself, and
        # any pair with an atom outside to one with another such atom: the distances from
        # one point of an orbit speak for all.
        occupied = places < now.count
        free = jnp.minimum(nearest, room(points, tuple(now.coordinates), occupied))

        def untried(state: Admission) -> Bool[Array, ""]:
            now, _, start, number = state
            return (number < ADMISSIONS) & (start < PROPOSALS) & (now.count < target)

        def admit(state: Admission) -> Admission:
            now, free, start, number = state
            fits = (free > near) & (now.count + orbit <= largest) & (numbers >= start)
            if completions is not None:
                rest = completions[jnp.maximum(largest - now.count - orbit, 0)]
                later = vacant_centre(now, near) & (squared(points) > near)
                fits &= (rest == WITHOUT_CENTRE) | (later & (rest == WITH_CENTRE))
            first = jnp.argmax(fits).astype(jnp.int32)
            joins = fits[first]
            atoms = images(tuple(c[first] for c in points), operations, shifts)
            new = _distinct(atoms, mask, region) & joins
            slots = now.count + jnp.cumsum(new, dtype=jnp.int32) - 1
            # A sum over who belongs where: scattering is a loop on processors.
            here = new[:, None] & (slots[:, None] == places[None])
            added = [jnp.sum(jnp.where(here, c[:, None], 0), axis=0) for c in atoms]
            now = _Filling(
                jnp.where((places < now.count)[None], now.coordinates, jnp.stack(added)),
                now.count + jnp.sum(new, dtype=jnp.int32),
                now.failures + jnp.where(joins, first, PROPOSALS) - start,
                now.rounds,
            )
            start = jnp.where(joins, first + 1, PROPOSALS)
            free = jnp.minimum(free, room(points, atoms, new))
            return now, free, start, number + 1

        now = jax.lax.while_loop(untried, admit, (now, free, zero, zero))[0]
        return _Filling(now.coordinates, now.count, now.failures, now.rounds + 1)

    empty = jnp.zeros((3, capacity), dtype)
    done = jax.lax.while_loop(unfinished, body, _Filling(empty, zero, zero, zero))
    return Fill(done.coordinates.T, done.count, done.count >= target)


def _merge(
    points: Coordinates,
    group: Group,
    region: Ball | Cell,
    reach: Float[Array, ""],
) -> Coordinates:
    """Replace points by the mean of those of their images that lie within reach."""

    def add(sums: Coordinates, item: Group) -> tuple[Coordinates, None]:
        operation, shift, counts = item
        moves = region.reduce(between(images(points, operation, shift), points))
        length = squared(moves)
        near = counts & (length < reach**2)
        terms = (jnp.ones_like(length), *moves)
        sums = tuple(s + jnp.where(near, t, 0) for s, t in zip(sums, terms, strict=True))
        return sums, None

    zero = jnp.zeros_like(points[0])
    (count, *sums), _ = jax.lax.scan(add, (zero,) * 4, group)
    return tuple(p + s / count for p, s in zip(points, sums, strict=True))


def _own_images(
    points: Coordinates, group: Group, region: Ball | Cell
) -> tuple[Int[Array, " k"], Float[Array, " k"]]:
    """Return how many operations leave each point in place, and the smallest squared
    distance that any other moves it."""

    def add(sums: tuple[Array, Array], item: Group) -> tuple[tuple[Array, Array], None]:
        fixed, nearest = sums
        operation, shift, counts = item
        moves = region.reduce(between(images(points, operation, shift), points))
        length = squared(moves)
        same = length < EXACT**2
        away = jnp.where(counts & ~same, length, jnp.inf)
        return (fixed + (counts & same).astype(jnp.int32), jnp.minimum(nearest, away)), None

    start = (jnp.zeros_like(points[0], jnp.int32), jnp.full_like(points[0], jnp.inf))
    return jax.lax.scan(add, start, group)[0]


def _distinct(
    atoms: Coordinates, mask: Bool[Array, " g"], region: Ball | Cell
) -> Bool[Array, " g"]:
    """Return which atoms do not coincide with an earlier one."""
    rows, columns = tuple(c[:, None] for c in atoms), tuple(c[None, :] for c in atoms)
    apart = squared(region.reduce(between(rows, columns)))
    same = (apart < COINCIDENT**2) & mask[:, None]
    return mask & ~jnp.any(jnp.triu(same, 1), axis=0)
