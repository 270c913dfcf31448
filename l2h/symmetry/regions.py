"""Where random points lie, and which vector joins two of them.

Everything is written coordinate by coordinate: products of matrices this small do not
vectorise.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

Coordinates = tuple[Array, ...]


class Ball(eqx.Module):
    """A ball around the origin of free space."""

    radius: Float[Array, ""]

    def draw(
        self, key: PRNGKeyArray, count: int, stretch: Float[Array, ""], dtype: Any
    ) -> Coordinates:
        """Return points uniform in the ball, `stretch` times as large."""
        cube, height, turn = jax.random.uniform(key, (3, count), dtype)
        z = 2 * height - 1
        angle = 2 * jnp.pi * turn
        length, across = self.radius * stretch * jnp.cbrt(cube), jnp.sqrt(1 - z * z)
        return (
            length * across * jnp.cos(angle),
            length * across * jnp.sin(angle),
            length * z,
        )

    def reduce(self, differences: Coordinates) -> Coordinates:
        """Return the vectors themselves."""
        return differences


class Cell(eqx.Module):
    """A periodic cell, lattice vectors in rows.

    Distances below half of every height of the cell are exact.
    """

    cell: Float[Array, "3 3"]

    def draw(
        self, key: PRNGKeyArray, count: int, stretch: Float[Array, ""], dtype: Any
    ) -> Coordinates:
        """Return points uniform in the cell, which does not stretch."""
        return _mapped(tuple(jax.random.uniform(key, (3, count), dtype)), self.cell)

    def reduce(self, differences: Coordinates) -> Coordinates:
        """Return each vector's image nearest to the origin."""
        fractions = _mapped(differences, jnp.linalg.inv(self.cell))
        turns = _mapped(tuple(jnp.round(f) for f in fractions), self.cell)
        return tuple(d - t for d, t in zip(differences, turns, strict=True))


def images(
    points: Coordinates,
    operations: Float[Array, "*g 3 3"],
    shifts: Float[Array, "*g 3"] | None,
) -> Coordinates:
    """Return images of one point under many operations, or of many under one."""
    turned = _mapped(points, jnp.swapaxes(operations, -1, -2))
    if shifts is None:
        return turned
    return tuple(jnp.add(*alike(c, shifts[..., i])) for i, c in enumerate(turned))


def squared(differences: Coordinates) -> Array:
    """Return squared lengths."""
    x, y, z = differences
    return x * x + y * y + z * z


def between(left: Coordinates, right: Coordinates) -> Coordinates:
    """Return left - right."""
    pairs = zip(left, right, strict=True)
    return tuple(a - b for a, b in (alike(*pair) for pair in pairs))


def alike(*arrays: Array) -> tuple[Array, ...]:
    """Return arrays of one rank, with axes of length one in front."""
    rank = max(a.ndim for a in arrays)
    return tuple(jnp.expand_dims(a, tuple(range(rank - a.ndim))) for a in arrays)


def _mapped(points: Coordinates, matrix: Float[Array, "*g 3 3"]) -> Coordinates:
    """Return row vectors times a matrix."""
    columns = [matrix[..., i] for i in range(3)]
    x, y, z = (
        [jnp.multiply(*alike(c[..., k], points[k])) for c in columns] for k in range(3)
    )
    return tuple(a + b + c for a, b, c in zip(x, y, z, strict=True))
