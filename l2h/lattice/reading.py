"""What a network may know of the vacant sites of a growing cluster."""

from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from .._platform import einsum, matmul
from .grow import TOGETHER, Growing
from .sites import Sites, squared_distances

# Distances of neighbours in close-packed lattices and at their faults, in natural lengths,
# and the half width within which an atom counts as one.
SHELLS, WIDTH = (1.0, 2**0.5, (8 / 3) ** 0.5, 3**0.5), 0.15
# Binding energies farther than this above the best count as that far.
FARTHEST = 4.0


class SiteReading(eqx.Module):
    """Numbers of order one that describe sites, equal for all members of an orbit."""

    own: Float[Array, "f s"]
    """Of each site: binding energy above the best, atoms in four shells, distance from the
    centroid over the radius, position along the long or short axes of the cluster,
    logarithms of the sizes of its orbit and of its stabiliser, and the orbit's share of
    the atoms that are missing."""
    shared: Float[Array, " g"]
    """Of the whole: fraction grown, logarithms of the numbers of atoms wanted and of
    operations, relative shape anisotropy, and best binding energy."""

    counts: ClassVar[tuple[int, int]] = (len(SHELLS) + 6, 5)
    """Numbers of each."""


def read_sites(
    cluster: Growing,
    found: Sites,
    operations: Float[Array, "g 3 3"],
    mask: Bool[Array, " g"],
    target: Int[Array, ""] | int,
) -> SiteReading:
    """Describe the vacant sites of a cluster.

    Arguments:
        cluster: atoms, in natural lengths, about the fixed point of the group.
        found: its sites.
        operations: of the point group, padded.
        mask: which of them count.
        target: atoms to be reached.
    """
    x, points = cluster.positions, found.positions
    dtype = x.dtype
    present = cluster.present[:, None]
    count = jnp.maximum(cluster.count, 1).astype(dtype)
    wanted = jnp.asarray(target, dtype)
    centre = jnp.sum(jnp.where(present, x, 0), axis=0) / count
    from_centre = jnp.where(present, x - centre[None], 0)
    # Natural lengths: a single atom has an extent, too.
    shape = matmul(from_centre.T, from_centre) / count + 0.05 * jnp.eye(3, dtype=dtype)
    extent = jnp.trace(shape)
    out = points - centre[None]
    square = jnp.sum(out**2, axis=1)
    along = jnp.sum(matmul(out, shape) * out, axis=1) / (square + 0.05) * (3 / extent) - 1
    radius = jnp.sqrt(square / (extent * (5 / 3)))

    distances = jnp.sqrt(squared_distances(x, points))
    shells = [
        jnp.sum(jnp.where(present, _near((distances - shell) / WIDTH), 0), axis=0) / 4 - 1
        for shell in SHELLS
    ]

    images = einsum("gij,sj->gsi", operations, points)
    fixed = jnp.sum((images - points[None]) ** 2, axis=2) < TOGETHER**2
    stabiliser = jnp.sum((fixed & mask[:, None]).astype(dtype), axis=0)
    order = jnp.sum(mask.astype(dtype))
    orbit = order / stabiliser
    share = jnp.minimum(orbit / jnp.maximum(wanted - count, 1), 2)

    best = jnp.min(found.energies)
    best = jnp.where(jnp.isfinite(best), best, 0)
    weaker = jnp.minimum(found.energies - best, FARTHEST)
    own = [weaker, *shells, radius - 1, along, jnp.log(orbit), jnp.log(stabiliser), share]
    anisotropy = 1.5 * jnp.sum(shape**2) / extent**2 - 0.5
    shared = [
        2 * count / wanted - 1,
        jnp.log(wanted / 50),
        jnp.log(order) - 1,
        5 * anisotropy,
        best / 3 + 2,
    ]
    return SiteReading(jnp.stack(own), jnp.stack(shared))


def _near(offset: Float[Array, "m s"]) -> Float[Array, "m s"]:
    """Return one at zero, a half at one, and hardly anything beyond two."""
    square = offset * offset
    return 1 / (1 + square * square)
