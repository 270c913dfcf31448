"""The Stillinger-Weber potential of silicon."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._leaves import as_array, concrete, require_positive
from ..spaces import AbstractSpace, Free, Pairs, Periodic, pad_atoms
from ._constants import table
from .base import AbstractPotential, Observation, Scale

Scalar = Float[Array, ""]

# Cosine of the tetrahedral angle, at which three-body terms vanish.
COSINE = -1 / 3
# Periodic silicon lists pairs up to here, in natural lengths: beyond its own cutoff, so
# that the neighbour shells of a learned optimizer are whole.
REACH = 2.2


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
    def scale(self) -> Scale:
        """Nearest-neighbour distance and energy (-2 epsilon per atom) of diamond."""
        return Scale(length=2 ** (1 / 6) * self.sigma, energy=2 * self.epsilon / 8.61)

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
        """
        s = self.like(positions)
        pairs = s.space.pairs(positions)
        inside, distance, gap = s._within(pairs)
        inverse = 1 / distance
        reach = s.sigma / gap
        ratio = jnp.log(s.sigma * inverse)
        core = jnp.where(inside, s.B * jnp.exp(s.p * ratio + reach), 0)
        well = jnp.where(inside, jnp.exp(s.q * ratio + reach), 0)
        tail = jnp.where(inside, jnp.exp(s.gamma * reach), 0)
        units = [c * inverse for c in pairs.differences]
        core, well, tail, inverse, units = jax.lax.optimization_barrier(
            (core, well, tail, inverse, units)
        )
        axes = range(len(units))

        first = [_sum(tail * u) for u in units]
        second = {(b, c): _sum(tail * units[b] * units[c]) for b in axes for c in axes[b:]}
        second |= {(c, b): moment for (b, c), moment in second.items()}
        count = jnp.asarray(sum(second[c, c] for c in axes))
        angles = (
            sum(jnp.square(moment) for moment in second.values())
            - 2 * COSINE * sum(jnp.square(moment) for moment in first)
            + COSINE**2 * jnp.square(count)
            - (1 - COSINE) ** 2 * _sum(jnp.square(tail))
        )
        bonds = _sum(core - well)
        shares = 0.5 * s.epsilon * (s.A * bonds + s.strength * angles)

        # What the triples of both ends of a pair make of it. Seen from the partner a pair
        # points the other way: odd moments enter with a minus sign.
        odd = [_ends(moment, -1) for moment in first]
        even = {key: _ends(moment, 1) for key, moment in second.items()}
        turned = [sum(even[b, c] * units[c] for c in axes) for b in axes]
        along = sum(turned[c] * units[c] for c in axes)
        slant = sum(odd[c] * units[c] for c in axes)
        decay = -jnp.square(s.sigma / gap) / s.sigma
        radial = s.A * (
            decay * (core - well) - (s.p * core - s.q * well) * inverse
        ) + s.strength * tail * (
            s.gamma
            * decay
            * (
                along
                - 2 * COSINE * slant
                + COSINE**2 * _ends(count, 1)
                - 2 * (1 - COSINE) ** 2 * tail
            )
            - 2 * inverse * (along - COSINE * slant)
        )
        across = 2 * s.strength * tail * inverse
        gradient = [
            _sum(radial * units[c] + across * (turned[c] - COSINE * odd[c])) for c in axes
        ]
        return Observation(
            positions, jnp.sum(shares), s.epsilon * jnp.stack(gradient, axis=-1), shares
        )


def _ends(moment: Float[Array, " n"], sign: int) -> Float[Array, "1 n q"]:
    """Return the moment of each pair's atom plus `sign` times its partner's."""
    return pad_atoms(moment)[None, None] + sign * moment[None, :, None]


def _sum(weights: Float[Array, "m n q"]) -> Float[Array, " n"]:
    # Unlike the product that `Pairs.sum` makes in free space, a reduction fuses with the
    # making of its many different weights: two to ten times faster here.
    return jnp.sum(weights, axis=(0, 1))[: weights.shape[1]]
