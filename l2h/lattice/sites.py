"""Vacant sites on the surface of a cluster: where one more atom would sit."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from .._platform import barrier, matmul

# Distances in natural lengths. Atoms closer than NEAR are neighbours, two atoms of one
# square face are closer than DIAGONAL, atoms with FULL neighbours lie inside.
NEAR, DIAGONAL, FULL = 1.25, 1.55, 12
# A site closer than this to an atom is taken; sites closer than that are the same.
BLOCKED, SAME = 0.86, 0.3
# Binding energy that makes a hollow a site: less than two bonds are none.
LOOSEST = -1.5
# Pairs of surface atoms that share neighbours share few of them.
APICES = 4
NEWTON_STEPS, LONGEST = 2, 0.15
# Bits of a word that a number in single precision holds exactly.
WORD = 22
BITS = 32


class Sites(eqx.Module):
    """Vacant sites of a cluster, most strongly bound first.

    Lengths and energies are natural ones; what binds a site is a Lennard-Jones probe,
    whatever the potential: it finds the hollows of any close-packed surface.
    """

    positions: Float[Array, "s 3"]
    energies: Float[Array, " s"]
    """Of the probe; infinite where there is no site."""
    probes: Int[Array, ""]
    """Probe energies, each with gradient and curvature, that were computed."""

    @property
    def valid(self) -> Bool[Array, " s"]:
        """Which entries are sites."""
        return jnp.isfinite(self.energies)


def sites(positions: Float[Array, "m 3"], present: Bool[Array, " m"], count: int) -> Sites:
    """Find the vacant sites on the surface of a cluster.

    Points at distance one from three mutually near atoms of the surface, not within 0.86 of
    an atom, are moved by two Newton steps of a Lennard-Jones probe; what is bound by less
    than 1.5 and what falls together is dropped.

    Arguments:
        positions: in natural lengths.
        present: which atoms exist.
        count: most sites that are returned; static. More would be the weakest bound.
    """
    m = len(positions)
    squared = squared_distances(positions, positions)
    pairs = present[:, None] & present[None] & ~np.eye(m, dtype=bool)
    near = pairs & (squared < NEAR**2)
    surface = present & (jnp.sum(near, axis=0, dtype=jnp.int32) < FULL)
    exposed = surface[:, None] & surface[None]
    upper = np.triu(np.ones((m, m), bool), 1)
    base = exposed & pairs & (squared < DIAGONAL**2) & upper
    first, second, found = _bases(base, min(5 * m, m * (m - 1) // 2))
    corners, known = _apices(near & exposed, squared, first, second, found)
    # What is left of the triangles after those that do not exist, rows of constant length.
    chosen, known = _keep(known, min(4 * m, known.size))
    apex, j, k = (
        c[chosen] for c in (corners, *(jnp.tile(b, APICES) for b in (first, second)))
    )
    points, known = _over(positions, apex, j, k, known)
    taken = (squared_distances(positions, points) < BLOCKED**2) & present[:, None]
    chosen, known = _keep(known & ~jnp.any(taken, axis=0), count)
    points = points[chosen]
    known &= ~_repeated(points, known, 0.1)
    # Loops, although the numbers are known: what is written once is compiled once.
    relaxed = jax.lax.fori_loop(
        0, NEWTON_STEPS, lambda _, x: x + _newton(positions, present, x), points
    )
    energies = probe(positions, present, relaxed)
    energies = jnp.where(known & (energies < LOOSEST), energies, jnp.inf)
    order = jnp.argsort(energies)
    relaxed, energies = relaxed[order], energies[order]
    twice = _repeated(relaxed, jnp.isfinite(energies), SAME)
    probes = (NEWTON_STEPS + 1) * jnp.sum(known, dtype=jnp.int32)
    return Sites(relaxed, jnp.where(twice, jnp.inf, energies), probes)


def probe(
    positions: Float[Array, "m 3"],
    present: Bool[Array, " m"],
    points: Float[Array, "s 3"],
) -> Float[Array, " s"]:
    """Return the Lennard-Jones energy of one more atom at each point, in natural units."""
    inverse = _inverse(positions, present, points)
    sixth = inverse**3
    return jnp.sum(sixth * (sixth - 2), axis=0)


def squared_distances(
    a: Float[Array, "m 3"], b: Float[Array, "s 3"]
) -> Float[Array, "m s"]:
    """Return the squared distance of each of `a` from each of `b`."""
    return sum((x[:, None] - y[None]) ** 2 for x, y in zip(a.T, b.T, strict=True))  # type: ignore[return-value]


def _inverse(
    x: Float[Array, "m 3"], present: Bool[Array, " m"], points: Float[Array, "s 3"]
) -> Float[Array, "m s"]:
    """Return inverse squared distances; zero for atoms that are absent, wherever."""
    return jnp.where(
        present[:, None], 1 / jnp.maximum(squared_distances(x, points), 0.1), 0
    )


def _keep(
    wanted: Bool[Array, " k"], count: int
) -> tuple[Int[Array, " c"], Bool[Array, " c"]]:
    """Return the indices of the first `count` true entries, and which of them are.

    Entries are bits of words: the word is found by what those before it hold, the bit by
    halving. Choosing the largest, which sorts, took three times as long.
    """
    words = -(-wanted.size // BITS)
    rows = jnp.pad(wanted, (0, words * BITS - wanted.size)).reshape(words, BITS)
    weights = jnp.uint32(1) << jnp.arange(BITS, dtype=jnp.uint32)[None]
    sets = jnp.sum(jnp.where(rows, weights, 0), axis=1, dtype=jnp.uint32)
    held = jax.lax.population_count(sets).astype(jnp.int32)
    ends = jnp.cumsum(held)
    slots = jnp.arange(min(count, wanted.size), dtype=jnp.int32)
    which = jnp.searchsorted(ends, slots, side="right", method="scan").astype(jnp.int32)
    which = jnp.minimum(which, words - 1)
    word, left = sets[which], slots - (ends - held)[which]
    place = which * BITS
    half = BITS // 2
    while half:
        low = word & jnp.uint32(2**half - 1)
        here = jax.lax.population_count(low).astype(jnp.int32)
        above = left >= here
        left = jnp.where(above, left - here, left)
        word = jnp.where(above, word >> half, low)
        place = jnp.where(above, place + half, place)
        half //= 2
    known = slots < ends[-1]
    return jnp.where(known, place, 0), known


def _bases(
    base: Bool[Array, "m m"], count: int
) -> tuple[Int[Array, " b"], Int[Array, " b"], Bool[Array, " b"]]:
    chosen, found = _keep(base.ravel(), count)
    return chosen // base.shape[1], chosen % base.shape[1], found


def _apices(
    near: Bool[Array, "m m"],
    squared: Float[Array, "m m"],
    first: Int[Array, " b"],
    second: Int[Array, " b"],
    found: Bool[Array, " b"],
) -> tuple[Int[Array, " t"], Bool[Array, " t"]]:
    """Return, slot by slot, up to four atoms near to both atoms of each base.

    Sets of atoms are words of bits: what two atoms share is one operation, the next member
    the lowest bit. Searching rows of truth values took ten times as long.
    """
    m = near.shape[0]
    count = -(-m // WORD)
    bits = np.zeros((m, count), np.float32)
    bits[np.arange(m), np.arange(m) // WORD] = 2.0 ** (np.arange(m) % WORD)
    # Sums of different powers of two, exact in single precision.
    sets = matmul(near.astype(jnp.float32), bits).astype(jnp.uint32)
    # An equilateral triangle would otherwise be found from each of its sides.
    later = np.triu(np.ones((m, m), np.float32), 1) @ bits
    once = squared[first, second] >= NEAR**2
    allowed = jnp.where(
        once[:, None], ~jnp.uint32(0), jnp.asarray(later, jnp.uint32)[second]
    )
    shared = jnp.where(found[:, None], sets[first] & sets[second] & allowed, 0)
    words = jnp.arange(count)[None]

    def next_(shared: Array, _: None) -> tuple[Array, tuple[Array, Array]]:
        which = jnp.argmax(shared != 0, axis=1)
        word = jnp.max(jnp.where(words == which[:, None], shared, 0), axis=1)
        lowest = word & (~word + jnp.uint32(1))
        place = 31 - jax.lax.clz(lowest).astype(jnp.int32)
        slot = jnp.where(word != 0, which.astype(jnp.int32) * WORD + place, 0)
        taken = jnp.where(words == which[:, None], lowest[:, None], 0)
        return shared ^ taken, (slot, word != 0)

    slots, known = jax.lax.scan(next_, shared, None, length=APICES)[1]
    return slots.ravel(), known.ravel()


def _over(
    x: Float[Array, "m 3"],
    i: Int[Array, " t"],
    j: Int[Array, " t"],
    k: Int[Array, " t"],
    known: Bool[Array, " t"],
) -> tuple[Float[Array, "p 3"], Bool[Array, " p"]]:
    """Return the two points at distance one from all three corners of each triangle."""
    u, v = (x[j] - x[i]).T, (x[k] - x[i]).T
    uu, vv, uv = (jnp.sum(a * b, axis=0) for a, b in ((u, u), (v, v), (u, v)))
    area = 2 * (uu * vv - uv * uv)
    flat = area < 1e-3
    area = jnp.where(flat, 1, area)
    along, across = vv * (uu - uv) / area, uu * (vv - uv) / area
    centre = along[None] * u + across[None] * v
    height = 1 - jnp.sum(centre * centre, axis=0)
    known = known & ~flat & (height > 0.1)
    normal = jnp.stack(
        [
            u[1] * v[2] - u[2] * v[1],
            u[2] * v[0] - u[0] * v[2],
            u[0] * v[1] - u[1] * v[0],
        ]
    )
    length = jnp.sqrt(jnp.sum(normal * normal, axis=0))
    rise = jnp.sqrt(jnp.maximum(height, 0)) / jnp.where(flat, 1, length)
    rise = rise[None] * normal
    middle = x[i].T + centre
    points = jnp.concatenate([middle + rise, middle - rise], axis=1).T
    return points, jnp.concatenate([known, known])


def _repeated(
    points: Float[Array, "s 3"], valid: Bool[Array, " s"], distance: float
) -> Bool[Array, " s"]:
    """Return which points lie that close to a valid one before them."""
    s = len(points)
    before = np.triu(np.ones((s, s), bool), 1)
    close = squared_distances(points, points) < distance**2
    return jnp.any(close & before & valid[:, None], axis=0)


def _newton(
    x: Float[Array, "m 3"], present: Bool[Array, " m"], points: Float[Array, "s 3"]
) -> Float[Array, "s 3"]:
    """Return one damped Newton step of the probe at each point."""
    inverse = _inverse(x, present, points)
    sixth = inverse**3
    slope = 12 * inverse * sixth * (1 - sixth)
    bend = 12 * inverse * inverse * sixth * (14 * sixth - 8)
    # Otherwise both are computed anew for each of the sums over atoms.
    slope, bend = barrier((slope, bend))
    # Moments of the weights by one product; about the points, by shifting them.
    y, p = jnp.where(present[:, None], x, 0).T, points.T
    axes = [(a, b) for a in range(3) for b in range(a + 1)]
    ones = jnp.ones_like(y[:1])
    linear = jnp.concatenate([ones, y])
    total, *first = matmul(linear, slope)
    g = [p[a] * total - first[a] for a in range(3)]
    products = jnp.stack([y[a] * y[b] for a, b in axes])
    moments = matmul(jnp.concatenate([linear, products]), bend)
    weight, means, squares = moments[0], moments[1:4], moments[4:]
    h = {
        (a, b): p[a] * p[b] * weight
        - p[a] * means[b]
        - p[b] * means[a]
        + squares[i]
        + (total if a == b else 0)
        for i, (a, b) in enumerate(axes)
    }
    # Cholesky, by hand: where a pivot is small, the step follows the gradient instead.
    stiff = h[0, 0] > 1
    l00 = jnp.sqrt(jnp.where(stiff, h[0, 0], 1))
    l10, l20 = h[1, 0] / l00, h[2, 0] / l00
    pivot = h[1, 1] - l10 * l10
    stiff &= pivot > 1
    l11 = jnp.sqrt(jnp.where(stiff, pivot, 1))
    l21 = (h[2, 1] - l20 * l10) / l11
    pivot = h[2, 2] - l20 * l20 - l21 * l21
    stiff &= pivot > 1
    l22 = jnp.sqrt(jnp.where(stiff, pivot, 1))
    y0 = -g[0] / l00
    y1 = (-g[1] - l10 * y0) / l11
    s2 = (-g[2] - l20 * y0 - l21 * y1) / l22 / l22
    s1 = (y1 - l21 * s2) / l11
    s0 = (y0 - l10 * s1 - l20 * s2) / l00
    force = jnp.sqrt(sum(c * c for c in g))
    down = jnp.minimum(0.01, 0.1 / (force + 1e-9))
    step = [jnp.where(stiff, s, -c * down) for s, c in zip((s0, s1, s2), g, strict=True)]
    length = jnp.sqrt(sum(c * c for c in step))
    shrink = jnp.minimum(1, LONGEST / jnp.where(length > 0, length, 1))
    return jnp.stack([shrink * c for c in step], axis=1)
