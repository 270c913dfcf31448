"""Random structures that a point group leaves as they are."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

SPECIAL = 0.6
SPACING = 0.7
# After so many rejected points, atoms may come a little closer, farther from the origin.
RELAX_AFTER, CLOSER, FARTHER = 40, 0.95, 1.02
PATIENCE = 400
# Points drawn at once, whole vector registers of them, and how many of these may join.
PROPOSALS, ADMISSIONS = 32, 4
# What an image must not exceed to count as the point itself. Points are moved onto their
# special position first, so that the distance is zero but for rounding.
COINCIDENT, EXACT = 0.03, 1e-3

Coordinates = tuple[Array, ...]


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

    Returns:
        An invariant structure, with the number of its atoms and whether they suffice.
    """
    dtype = operations.dtype
    special, spacing, radius = (jnp.asarray(v, dtype) for v in (special, spacing, radius))
    order = jnp.sum(mask, dtype=jnp.int32)
    target = jnp.asarray(target, jnp.int32)
    largest = jnp.minimum(jnp.asarray(largest, jnp.int32), capacity)

    numbers = jnp.arange(PROPOSALS, dtype=jnp.int32)

    def unfinished(now: _Filling) -> Bool[Array, ""]:
        return (now.count < target) & (now.failures < PATIENCE)

    def body(now: _Filling) -> _Filling:
        times = (now.failures // RELAX_AFTER).astype(dtype)
        near = spacing * CLOSER**times
        points = _ball(
            jax.random.fold_in(key, now.rounds), radius * FARTHER**times, PROPOSALS, dtype
        )
        for reach in (special, special, special, jnp.asarray(COINCIDENT, dtype)):
            points = _merge(points, operations, mask, reach)
        fixed, nearest = _own_images(points, operations, mask)
        orbit = order // fixed
        # The group carries any pair of an orbit to one that holds the point itself, and
        # any pair with an atom outside to one with another such atom: the distances from
        # one point of an orbit speak for all.
        others = tuple(row[:, None] for row in now.coordinates)
        free = jnp.minimum(nearest, jnp.min(_squared(others, points), axis=0))
        coordinates, count, failures = now.coordinates, now.count, now.failures
        start = jnp.asarray(0, jnp.int32)
        for _ in range(ADMISSIONS):
            fits = (free > near**2) & (count + orbit <= largest) & (numbers >= start)
            first = jnp.argmax(fits).astype(jnp.int32)
            wanted = count < target
            joins = fits[first] & wanted
            images = _images(tuple(c[first] for c in points), operations)
            new = _distinct(images, mask) & joins
            slots = jnp.where(new, count + jnp.cumsum(new, dtype=jnp.int32) - 1, capacity)
            coordinates = coordinates.at[:, slots].set(jnp.stack(images), mode="drop")
            count = count + jnp.sum(new, dtype=jnp.int32)
            passed = jnp.where(joins, first, PROPOSALS) - start
            failures = failures + jnp.where(wanted, passed, 0)
            start = jnp.where(joins, first + 1, PROPOSALS)
            added = tuple(jnp.where(new, c, jnp.inf)[:, None] for c in images)
            free = jnp.minimum(free, jnp.min(_squared(added, points), axis=0))
        return _Filling(coordinates, count, failures, now.rounds + 1)

    zero = jnp.asarray(0, jnp.int32)
    # Empty places are infinitely far from everything.
    empty = jnp.full((3, capacity), jnp.inf, dtype)
    done = jax.lax.while_loop(unfinished, body, _Filling(empty, zero, zero, zero))
    atoms = jnp.arange(capacity, dtype=jnp.int32) < done.count
    positions = jnp.where(atoms, done.coordinates, 0).T
    return Fill(positions, done.count, done.count >= target)


def _ball(
    key: PRNGKeyArray, radius: Float[Array, ""], count: int, dtype: Any
) -> Coordinates:
    """Return points uniform in a ball, coordinate by coordinate."""
    cube, height, turn = jax.random.uniform(key, (3, count), dtype)
    z = 2 * height - 1
    angle = 2 * jnp.pi * turn
    length, across = radius * jnp.cbrt(cube), jnp.sqrt(1 - z * z)
    return length * across * jnp.cos(angle), length * across * jnp.sin(angle), length * z


def _images(points: Coordinates, operations: Float[Array, "*g 3 3"]) -> Coordinates:
    """Return images of one point under many operations, or of many under one.

    Written out, since products of matrices this small do not vectorise.
    """
    x, y, z = points
    rows = (operations[..., i, :] for i in range(3))
    return tuple(r[..., 0] * x + r[..., 1] * y + r[..., 2] * z for r in rows)


def _squared(left: Coordinates, right: Coordinates) -> Array:
    x, y, z = ((a - b) ** 2 for a, b in zip(left, right, strict=True))
    return x + y + z


def _merge(
    points: Coordinates,
    operations: Float[Array, "g 3 3"],
    mask: Bool[Array, " g"],
    reach: Float[Array, ""],
) -> Coordinates:
    """Replace points by the mean of those of their images that lie within reach."""

    def add(
        sums: tuple[Array, ...], item: tuple[Array, Array]
    ) -> tuple[tuple[Array, ...], None]:
        operation, counts = item
        image = _images(points, operation)
        squared = _squared(image, points)
        near = counts & (squared < reach**2)
        terms = (jnp.ones_like(squared), *image)
        return tuple(
            s + jnp.where(near, t, 0) for s, t in zip(sums, terms, strict=True)
        ), None

    zero = jnp.zeros_like(points[0])
    (count, *sums), _ = jax.lax.scan(add, (zero,) * 4, (operations, mask))
    return tuple(s / count for s in sums)


def _own_images(
    points: Coordinates, operations: Float[Array, "g 3 3"], mask: Bool[Array, " g"]
) -> tuple[Int[Array, " k"], Float[Array, " k"]]:
    """Return how many operations leave each point in place, and the smallest squared
    distance that any other moves it."""

    def add(
        sums: tuple[Array, Array], item: tuple[Array, Array]
    ) -> tuple[tuple[Array, Array], None]:
        fixed, nearest = sums
        operation, counts = item
        squared = _squared(_images(points, operation), points)
        same = squared < EXACT**2
        away = jnp.where(counts & ~same, squared, jnp.inf)
        return (fixed + (counts & same).astype(jnp.int32), jnp.minimum(nearest, away)), None

    start = (jnp.zeros_like(points[0], jnp.int32), jnp.full_like(points[0], jnp.inf))
    return jax.lax.scan(add, start, (operations, mask))[0]


def _distinct(images: Coordinates, mask: Bool[Array, " g"]) -> Bool[Array, " g"]:
    """Return which images are not equal to an earlier one."""
    columns, rows = (tuple(c[None, :] for c in images), tuple(c[:, None] for c in images))
    same = (_squared(rows, columns) < COINCIDENT**2) & mask[:, None]
    earlier = jnp.triu(jnp.ones_like(same), 1)
    return mask & ~jnp.any(same & earlier, axis=0)
