"""Where a search tries next, once it sits in a minimum."""

from abc import abstractmethod
from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.scipy.special as jsp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, PyTree, UInt32

from .._leaves import as_array, cast, require_fraction, require_positive, trained
from ..lattice import law, migrations, rearrange, suits, swap_energies
from ..potentials import AbstractPotential, Observation, is_alloy
from ..spaces import present

# 2^32 over the golden ratio, and odd multipliers under which each input bit flips each
# output bit half of the time.
GOLDEN = np.uint32(0x9E3779B9)
MIXERS = np.uint32(0x7FEB352D), np.uint32(0x846CA68B)


class Proposal(eqx.Module):
    """Where the next quench starts."""

    positions: Float[Array, "n d"]
    stretched: Bool[Array, ""]
    """Whether `stretch` had a say, so that the outcome tells whether steps are too long."""


class AbstractHop(eqx.Module):
    """Proposes a structure from a minimum."""

    @property
    def dear(self) -> bool:
        """Whether a proposal takes as long as many evaluations: walkers of a batch then hop
        one after the other."""
        return False

    @abstractmethod
    def __call__(
        self,
        potential: AbstractPotential,
        minimum: Observation,
        stretch: Float[Array, ""],
        new: Bool[Array, ""],
        *,
        key: PRNGKeyArray,
    ) -> Proposal:
        """Return where the next quench starts.

        Arguments:
            potential: the energy surface.
            minimum: the structure to leave, as observed.
            stretch: factor on the hop's own step length, by which it is adapted.
            new: whether no hop has left this minimum yet.
            key: for the draw.
        """

    @abstractmethod
    def trainable(self) -> PyTree:
        """Declare what meta-training may change, as optimizers do."""


class Shake(AbstractHop):
    """Moves every atom at random, and puts a loose one back on the surface.

    Each coordinate is displaced independently. The least bound atom, if its energy lies
    above `loose` times that of the best bound one, is put at a random angle on the sphere
    that just holds all atoms which are not loose. Where a centroid has no meaning
    (periodic cells, functions), no atom is ever loose.

    Arguments:
        step: largest displacement of a coordinate if uniform, standard deviation if
            normal, in natural lengths.
        loose: fraction of the lowest atomic energy; None puts no atom back.
        kind: "uniform" or "normal"; static.

    Raises:
        ValueError: if an argument is out of range.

    Reference: Wales and Doye 1997, doi:10.1021/jp970984n.
    """

    step: Float[Array, ""] = eqx.field(converter=as_array)
    loose: Float[Array, ""] | None = eqx.field(converter=as_array, default=None)
    kind: Literal["uniform", "normal"] = eqx.field(static=True, default="uniform")

    def __check_init__(self) -> None:
        require_positive(step=self.step)
        if self.loose is not None:
            require_fraction(loose=self.loose)
        if self.kind not in ("uniform", "normal"):
            raise ValueError(f'kind: {self.kind!r} given; say "uniform" or "normal".')

    def __call__(
        self,
        potential: AbstractPotential,
        minimum: Observation,
        stretch: Float[Array, ""],
        new: Bool[Array, ""],
        *,
        key: PRNGKeyArray,
    ) -> Proposal:
        x = minimum.positions
        p, unit = cast((self, potential.scale), x.dtype)
        # One draw for everything.
        size = (x.shape[0] + (p.loose is not None), x.shape[1])
        draw = jax.random.normal if self.kind == "normal" else _symmetric
        noise = draw(key, size, x.dtype)
        moved = x + p.step * stretch * unit.length * noise[: x.shape[0]]
        if p.loose is not None and potential.space.invariant:
            normal = noise[-1] if self.kind == "normal" else jsp.erfinv(noise[-1])
            moved = _resurface(potential, minimum, p.loose, moved, normal)
        return Proposal(moved, jnp.asarray(True))

    def trainable(self) -> PyTree:
        return trained(self, step="positive")


class Swaps(AbstractHop):
    """Exchanges two unlike atoms now and then, and otherwise hops as another hop does.

    Arguments:
        hop: what happens otherwise, and always where all atoms are alike.
        chance: probability of an exchange.
        heat: in natural energies; a pair is drawn with the Boltzmann weight of what its
            exchange costs without relaxation. None draws every pair alike, and so it is
            wherever nothing is known of that cost.

    Raises:
        ValueError: if `chance` does not lie between 0 and 1, or `heat` is not positive.

    Reference: `l2h.lattice.swap_energies`.
    """

    hop: AbstractHop
    chance: Float[Array, ""] = eqx.field(converter=as_array, default=0.3)
    heat: Float[Array, ""] | None = eqx.field(converter=as_array, default=None)

    def __check_init__(self) -> None:
        require_fraction(chance=self.chance)
        if self.heat is not None:
            require_positive(heat=self.heat)

    @property
    def dear(self) -> bool:
        """Whether costs are weighed, here or within."""
        return self.heat is not None or self.hop.dear

    def __call__(
        self,
        potential: AbstractPotential,
        minimum: Observation,
        stretch: Float[Array, ""],
        new: Bool[Array, ""],
        *,
        key: PRNGKeyArray,
    ) -> Proposal:
        for_hop, for_exchange = jax.random.split(key)
        otherwise = self.hop(potential, minimum, stretch, new, key=for_hop)
        species = getattr(potential, "species", None)
        if species is None:
            return otherwise
        x = minimum.positions
        n, there = len(x), present(potential.space, len(x))
        p, unit = cast((self, potential.scale), x.dtype)
        known = law(potential) if suits(potential) else None
        if known is None or p.heat is None:
            draws = jax.random.uniform(for_exchange, (2 * n + 1,), x.dtype)
            draw = draws[-1]
            first = jnp.argmax(jnp.where(there, draws[:n], -1))
            unlike = there & (species != species[first])
            second = jnp.argmax(jnp.where(unlike, draws[n:-1], -1))
            possible = jnp.any(unlike)
        else:
            costs = swap_energies(known, x, species, there) / (p.heat * unit.energy)
            for_pair, for_chance = jax.random.split(for_exchange)
            first, second, possible = _drawn(costs, for_pair)
            draw = jax.random.uniform(for_chance, dtype=x.dtype)
        swapped = x.at[first].set(x[second]).at[second].set(x[first])
        exchanged = (draw < p.chance) & possible
        return _exchanged(exchanged, swapped, otherwise)

    def trainable(self) -> PyTree:
        return trained(
            self,
            chance="fraction",
            heat=None if self.heat is None else "positive",
            hop=self.hop.trainable(),
        )


class Migration(AbstractHop):
    """Moves a loosely bound atom into a vacant site now and then, and otherwise hops as
    another hop does; always so in alloys, and where nothing is known of vacant sites.

    Arguments:
        hop: what happens otherwise.
        chance: probability of a migration.
        heat: in natural energies; an atom and a vacancy are drawn with the Boltzmann weight
            of what the move costs without relaxation.

    Raises:
        ValueError: if `chance` does not lie between 0 and 1, or `heat` is not positive.

    Reference: `l2h.lattice.migrations`.
    """

    hop: AbstractHop
    chance: Float[Array, ""] = eqx.field(converter=as_array, default=0.5)
    heat: Float[Array, ""] = eqx.field(converter=as_array, default=0.3)

    def __check_init__(self) -> None:
        require_fraction(chance=self.chance)
        require_positive(heat=self.heat)

    @property
    def dear(self) -> bool:
        """Sites are looked for."""
        return True

    def __call__(
        self,
        potential: AbstractPotential,
        minimum: Observation,
        stretch: Float[Array, ""],
        new: Bool[Array, ""],
        *,
        key: PRNGKeyArray,
    ) -> Proposal:
        for_hop, for_move, for_chance = jax.random.split(key, 3)
        otherwise = self.hop(potential, minimum, stretch, new, key=for_hop)
        if is_alloy(potential) or not suits(potential):
            return otherwise
        x = potential.space.centre(minimum.positions)
        p, unit = cast((self, potential.scale), x.dtype)
        moves = migrations(potential, x)
        costs = moves.costs / (p.heat * unit.energy)
        atom, vacancy, possible = _drawn(costs, for_move)
        moved = x.at[moves.atoms[atom]].set(moves.vacancies[vacancy])
        draw = jax.random.uniform(for_chance, dtype=x.dtype)
        return _exchanged((draw < p.chance) & possible, moved, otherwise)

    def trainable(self) -> PyTree:
        return trained(self, chance="fraction", heat="positive", hop=self.hop.trainable())


class Repair(AbstractHop):
    """Exchanges atoms and vacancies, in alloys unlike atoms, where that gains energy on the
    lattice of a new minimum; otherwise hops as another hop does, and so it does wherever
    nothing is known of vacant sites.

    Arguments:
        hop: what happens otherwise.

    Reference: `l2h.lattice.rearrange`.
    """

    hop: AbstractHop

    @property
    def dear(self) -> bool:
        """Sites are looked for."""
        return True

    def __call__(
        self,
        potential: AbstractPotential,
        minimum: Observation,
        stretch: Float[Array, ""],
        new: Bool[Array, ""],
        *,
        key: PRNGKeyArray,
    ) -> Proposal:
        otherwise = self.hop(potential, minimum, stretch, new, key=key)
        if not suits(potential):
            return otherwise
        repaired = rearrange(potential, minimum.positions)
        # The same exchange would be proposed again and again.
        exchanged = new & (repaired.gain > 0)
        return _exchanged(exchanged, repaired.positions, otherwise)

    def trainable(self) -> PyTree:
        return trained(self, hop=self.hop.trainable())


def _drawn(
    costs: Float[Array, "a b"], key: PRNGKeyArray
) -> tuple[Int[Array, ""], Int[Array, ""], Bool[Array, ""]]:
    """Return row and column of a draw with weights exp(-cost), and whether there was
    anything to draw: a finite cost."""
    # With Gumbel noise, the lowest is such a draw.
    noisy = costs - jax.random.gumbel(key, costs.shape, costs.dtype)
    row, column = jnp.divmod(jnp.argmin(noisy), costs.shape[1])
    return row, column, jnp.isfinite(costs[row, column])


def _exchanged(
    exchanged: Bool[Array, ""], positions: Float[Array, "n d"], otherwise: Proposal
) -> Proposal:
    """Return positions that no step length decides, or the other proposal."""
    return Proposal(
        positions=jnp.where(exchanged, positions, otherwise.positions),
        stretched=otherwise.stretched & ~exchanged,
    )


def _symmetric(key: PRNGKeyArray, shape: tuple[int, ...], dtype: Any) -> Array:
    """Return numbers that are uniform between -1 and 1, both excluded.

    Mixing an index with two random words costs a tenth of drawing each number from the
    generator, which otherwise takes as long as the forces on 38 atoms.
    """
    first, second = jax.random.bits(key, (2,), jnp.uint32)
    index = np.arange(np.prod(shape), dtype=np.uint32)
    words = _mixed(_mixed(jnp.asarray(index * GOLDEN) + first) ^ second)
    # 23 bits and a half: what single precision holds, and never an end of the interval.
    return ((words >> 9).astype(dtype) * 2.0**-22 + (2.0**-23 - 1)).reshape(shape)


def _mixed(words: UInt32[Array, " k"]) -> UInt32[Array, " k"]:
    """Return a permutation of 32-bit words that leaves no visible pattern."""
    words = (words ^ (words >> 16)) * MIXERS[0]
    words = (words ^ (words >> 15)) * MIXERS[1]
    return words ^ (words >> 16)


def _resurface(
    potential: AbstractPotential,
    minimum: Observation,
    loose: Float[Array, ""],
    moved: Float[Array, "n d"],
    direction: Float[Array, " d"],
) -> Float[Array, "n d"]:
    """Put the least bound atom, if it is loose, onto the surface of those that are not."""
    shares = minimum.atomic_energies
    offsets = potential.space.offsets(minimum.positions)
    bound = shares <= loose * jnp.min(shares)
    weights = bound.astype(offsets.dtype)[:, None]
    middle = jnp.sum(weights * offsets, axis=0, keepdims=True)
    middle = middle / jnp.maximum(jnp.sum(weights), 1)
    radius = jnp.sqrt(jnp.max(weights[:, 0] * jnp.sum((offsets - middle) ** 2, axis=1)))
    unit = direction / jnp.sqrt(jnp.sum(direction**2))
    # One atom only, also among equals. Two plain reductions are faster than an argmax.
    atoms = jnp.arange(len(shares))
    equals = jnp.where(shares == jnp.max(shares), atoms, len(shares))
    # Nothing is loose where nothing is bound, nor where there is no centroid.
    chosen = (atoms == jnp.min(equals)) & ~bound & (jnp.min(shares) < 0) & (radius > 0)
    surface = minimum.positions - offsets + middle + radius * unit[None]
    return jnp.where(chosen[:, None], surface, moved)
