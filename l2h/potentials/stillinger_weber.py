"""The Stillinger-Weber potential of silicon."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._leaves import as_array, concrete, require_positive
from .._platform import barrier
from ..spaces import AbstractSpace, Free, Pairs, Periodic, pad_atoms
from ._constants import table
from .base import COHESION, METAL, AbstractPotential, Observation, Scale, Units

Scalar = Float[Array, ""]

# Cosine of the tetrahedral angle, at which three-body terms vanish.
COSINE = -1 / 3
# Periodic silicon lists pairs up to here, in natural lengths: beyond its own cutoff, so
# that the neighbour shells of a learned optimizer are whole.
REACH = 2.2
# Closer to the cutoff than this, in natural lengths, an exponential in the inverse gap is
# zero in any precision.
NEXT = 1e-3


class StillingerWeber(AbstractPotential):
    r"""Stillinger-Weber energy: pairs, and triples that prefer tetrahedral angles.

    \[ E = \sum_{i<j} A \epsilon \left[ B (\sigma/r_{ij})^p - (\sigma/r_{ij})^q \right]
       g_{ij} + \lambda \epsilon \sum_i \sum_{j<k}
       \left( \cos\theta_{jik} + \tfrac13 \right)^2 g_{ij}^\gamma g_{ik}^\gamma, \quad
       g_{ij} = e^{\sigma / (r_{ij} - a \sigma)} \quad (r_{ij} < a \sigma) \]

    Arguments:
        epsilon: depth of the pair minimum (eV).
        sigma: unit of length (Angstrom); the pair minimum is at 2^(1/6) sigma.
        A, B, p, q: shape of the pair term.
        a: cutoff, in sigma.
        strength: lambda, of the three-body term.
        gamma: decay of the three-body term.
        space: where the atoms live.

    Raises:
        ValueError: if an argument is not positive and finite (q: negative), or `space`
            lists pairs up to less than the cutoff.

    Reference: Stillinger & Weber 1985, doi:10.1103/PhysRevB.31.5262. Eq. (7) of Learn2Hop
        has one exponential in the three-body term where there are two (docs/errata.md).
    """

    epsilon: Scalar = eqx.field(converter=as_array)
    sigma: Scalar = eqx.field(converter=as_array)
    A: Scalar = eqx.field(converter=as_array)
    B: Scalar = eqx.field(converter=as_array)
    p: Scalar = eqx.field(converter=as_array)
    q: Scalar = eqx.field(converter=as_array)
    a: Scalar = eqx.field(converter=as_array)
    strength: Scalar = eqx.field(converter=as_array)
    gamma: Scalar = eqx.field(converter=as_array)
    space: AbstractSpace = Free()

    def __check_init__(self) -> None:
        positive = ("epsilon", "sigma", "A", "B", "p", "a", "strength", "gamma")
        require_positive(**{name: getattr(self, name) for name in positive})
        q, a, sigma = concrete(self.q), concrete(self.a), concrete(self.sigma)
        if q is not None and not (np.isfinite(q) and q >= 0):
            raise ValueError(f"q: {q} given; it must be finite and not negative.")
        if isinstance(self.space, Periodic):
            reach = concrete(self.space.cutoff)
            if a is None or sigma is None or reach is None:
                return
            if reach >= a * sigma * (1 - 1e-6):
                return
            raise ValueError(
                f"space: lists pairs up to {reach}, but the potential reaches to "
                f"{a * sigma}; build it as Periodic(cell, cutoff={a * sigma})."
            )

    @staticmethod
    def silicon(cell: Any = None, preset: str = "full") -> "StillingerWeber":
        """Return silicon, in eV and Angstrom.

        Arguments:
            cell: concrete lattice vectors in rows, 3 x 3 (Angstrom); None for free space.
            preset: "full" has all digits of 1985 and a = 1.8; "paper" has Learn2Hop's
                three digits and a = 3.77 Angstrom / sigma.

        Raises:
            ValueError: for an unknown preset, or a cell that is none.
        """
        row = table("stillinger_weber", preset, "preset")
        a = row["a"] if "a" in row else row["cutoff"] / row["sigma"]
        space: AbstractSpace = Free()
        if cell is not None:
            nearest = 2 ** (1 / 6) * row["sigma"]
            space = Periodic(cell, max(a * row["sigma"], REACH * nearest))
        names = ("epsilon", "sigma", "A", "B", "p", "q")
        return StillingerWeber(
            **{name: row[name] for name in names},
            a=a,
            strength=row["lambda"],
            gamma=row["gamma"],
            space=space,
        )

    @property
    def units(self) -> Units:
        return METAL

    @property
    def scale(self) -> Scale:
        """Nearest-neighbour distance and energy (-2 epsilon per atom) of diamond."""
        return Scale(length=2 ** (1 / 6) * self.sigma, energy=2 * self.epsilon / COHESION)

    def _within(
        self, pairs: Pairs
    ) -> tuple[Array, Float[Array, "m n q"], Float[Array, "m n q"]]:
        """Return which pairs interact, and safe distances and gaps to the cutoff."""
        end = self.a * self.sigma
        inside = pairs.mask & (pairs.squared < end**2)
        distance = jnp.sqrt(jnp.where(inside, pairs.squared, 0.25 * end**2))
        gap = distance - end
        # Rounding of the root may reach the cutoff, where all terms vanish anyway.
        return inside & (gap < 0), distance, jnp.where(gap < 0, gap, -end)

    @property
    def separated(self) -> float:
        return 0.0

    def __call__(self, positions: Float[Array, "n d"]) -> Float[Array, ""]:
        s, n = self.like(positions), positions.shape[0]
        pairs = s.space.pairs(positions)
        inside, distance, gap = s._within(pairs)
        ratio = s.sigma / distance
        two = s.A * (s.B * ratio**s.p - ratio**s.q) * jnp.exp(s.sigma / gap)
        energy = 0.5 * s.epsilon * jnp.sum(jnp.where(inside, two, 0))

        # Every neighbour (of any image) of an atom against every other one.
        tail = jnp.where(inside, jnp.exp(s.gamma * s.sigma / gap), 0)[..., :n]
        tail = tail.reshape(-1, n)
        units = [(c / distance)[..., :n].reshape(-1, n) for c in pairs.differences]
        cosine = jnp.asarray(sum(u[:, None, :] * u[None, :, :] for u in units))
        first, second = np.triu_indices(tail.shape[0], k=1)
        angles = tail[first] * tail[second] * jnp.square(cosine[first, second] - COSINE)
        return energy + s.strength * s.epsilon * jnp.sum(angles)

    def observe(self, positions: Float[Array, "n d"]) -> Observation:
        r"""Return energy, gradient and atomic energies in one pass over pairs.

        With unit vectors u and tails h of the pairs of atom i, the sum over its triples is

        \[ \sum_{j<k} h_j h_k (u_j \cdot u_k - c)^2 = \tfrac12 \Big[
           \big|\sum h u u^T\big|^2 - 2c \big|\sum h u\big|^2
           + c^2 \big(\sum h\big)^2 - (1-c)^2 \sum h^2 \Big] \]

        What an atom's own share gains from moving along a pair, the partner loses.
        """
        s = self.like(positions)
        pairs = s.space.pairs(positions)
        end, axes = s.a * s.sigma, range(len(pairs.differences))
        # Beyond the cutoff all exponentials vanish, by the gap to it from below, without
        # asking which pairs interact. Processors compute anew what is used repeatedly,
        # unless it ends with a root, a quotient or an exponential: many things do here.
        distance = jnp.sqrt(jnp.minimum(pairs.squared, end**2))
        gap = jnp.minimum(distance - end, -NEXT * s.sigma * jnp.minimum(s.gamma, 1))
        reach = s.sigma / gap
        units = [c / distance for c in pairs.differences]
        ratio = jnp.log(s.sigma) - jnp.log(distance)
        core = jnp.exp(jnp.log(s.B) + s.p * ratio + reach)
        well = jnp.exp(s.q * ratio + reach)
        tail = jnp.exp(s.gamma * reach)
        # The barrier keeps the compiler from taking products of exponentials for those of
        # sums.
        core, well, tail = barrier((core, well, tail))

        first = [_sum(tail * u) for u in units]
        second = {(b, c): _sum(tail * units[b] * units[c]) for b in axes for c in axes[b:]}
        second |= {(c, b): moment for (b, c), moment in second.items()}
        count = jnp.asarray(sum(second[c, c] for c in axes))
        angles = (
            sum(jnp.square(moment) for moment in second.values())
            - 2 * COSINE * sum(jnp.square(moment) for moment in first)
            + COSINE**2 * jnp.square(count)
        )
        # Each pair's own term, and that with itself, which is no triple.
        own = s.strength * (1 - COSINE) ** 2
        bonds = _sum(s.A * (core - well) - own * jnp.square(tail))
        shares = 0.5 * s.epsilon * (bonds + s.strength * angles)

        # Slopes of an atom's share by the vectors of its pairs, in epsilon.
        odd = [_along(s.strength * COSINE * moment) for moment in first]
        even = {
            (b, c): _along(s.strength * (moment + (b == c) * COSINE**2 * count))
            for (b, c), moment in second.items()
        }
        turned = [sum((even[b, c] * units[c] for c in axes), -odd[b]) for b in axes]
        along = sum(turned[c] * units[c] for c in axes)
        slant = sum(odd[c] * units[c] for c in axes)
        decay = -jnp.square(reach) * (distance * (1 / s.sigma))
        radial = (
            0.5 * s.A * (decay * (core - well) - (s.p * core - s.q * well))
            + tail * (s.gamma * decay * (along - slant - own * tail) - 2 * along)
        ) / distance
        across = 2 * tail / distance
        slopes = [radial * units[c] + across * turned[c] for c in axes]
        gradient = [_sum(slope) - jnp.sum(slope, axis=(0, 2)) for slope in slopes]
        return Observation(
            positions, jnp.sum(shares), s.epsilon * jnp.stack(gradient, axis=-1), shares
        )


def _along(moment: Float[Array, " n"]) -> Float[Array, "1 1 q"]:
    """Return the moment of each pair's atom."""
    return pad_atoms(moment)[None, None]


def _sum(weights: Float[Array, "m n q"]) -> Float[Array, " n"]:
    # Unlike the product that `Pairs.sum` makes in free space, a reduction fuses with the
    # making of its many different weights: two to ten times faster here.
    return jnp.sum(weights, axis=(0, 1))[: weights.shape[1]]
