"""Starts that grow from small symmetric cores."""

from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, PyTree

from .._leaves import (
    AbstractTrainable,
    as_array,
    cast,
    concrete,
    require_positive,
    trained,
)
from ..lattice import Growing, Sites, grow, law, settle, suits
from ..optimizers import LBFGS, quench
from ..potentials import AbstractPotential, Scale, potential_with
from ..spaces import Partial, padded
from ..symmetry import COMMON, Groups, symmetric_fill
from .base import AbstractDetailedInit, Spent, Start, require_draw
from .scorer import Scorer, draw_style
from .uniform import Uniform

# Radius of a close-packed ball of n atoms over n^(1/3), with a margin, in natural lengths.
PACKED = 0.55


class Grown(AbstractDetailedInit, AbstractTrainable):
    """Clusters grown from a small symmetric core, over the vacant sites of its surface.

    A point group and a size of the core are drawn; random orbits fill a ball; the core is
    quenched loosely; whole orbits of vacant sites join, the most strongly bound first, its
    energy changed by noise; the least bound atoms leave, or the best sites are filled,
    until the number is right, and atoms and vacancies are exchanged while that gains. Where
    a core falls apart, nothing grows on it, and the start is a uniform one. Where space
    says that atoms are absent, as many grow as are present, into the first rows. Atoms of
    an alloy grow as if all were of the first one's species.

    Arguments:
        groups: point groups of the cores.
        noise: largest standard deviation of the change of binding energies, in natural
            energies; that of a start is drawn between zero and this.
        smallest, largest: atoms of a core, the largest as a fraction of all atoms; static.
        tolerance: of the core's quench, root mean square gradient in natural units.
        radius: of the ball in which a core of n atoms is drawn, over n^(1/3), in natural
            lengths.
        calm, small: exponents, to which the uniform random numbers are raised that decide
            on noise and size of a core: above one, much noise and large cores are rare.
        logits: of the groups, one each; each as likely if None.
        scorer: what says which sites are filled first, besides energy and noise; nothing
            if None.
        surplus: atoms that may grow beyond the number wanted; static.
        limit: most steps of the core's quench; static.

    Raises:
        ValueError: if a number is not positive (`noise` and `surplus`: is negative), or
            there are not as many logits as groups.

    Reference: ours; measured in docs/measurements.md. Exchange with vacancies on a dynamic
        lattice: Shao, Cheng and Cai 2004, doi:10.1021/jp037780t.
    """

    groups: Groups = eqx.field(default_factory=lambda: Groups(COMMON, jnp.float32))
    noise: Float[Array, ""] = eqx.field(converter=as_array, default=0.4)
    tolerance: Float[Array, ""] = eqx.field(converter=as_array, default=0.3)
    smallest: int = eqx.field(static=True, default=4)
    largest: float = eqx.field(static=True, default=0.6)
    radius: Float[Array, ""] = eqx.field(converter=as_array, default=PACKED)
    calm: Float[Array, ""] = eqx.field(converter=as_array, default=1.0)
    small: Float[Array, ""] = eqx.field(converter=as_array, default=1.0)
    logits: Float[Array, " G"] | None = None
    scorer: Scorer | None = None
    surplus: int = eqx.field(static=True, default=8)
    limit: int = eqx.field(static=True, default=100)

    def __check_init__(self) -> None:
        names = "largest", "tolerance", "radius", "calm", "small", "smallest", "limit"
        require_positive(**{name: getattr(self, name) for name in names})
        for name in ("noise", "surplus"):
            known = concrete(getattr(self, name))
            if known is not None and not np.all(known >= 0):
                raise ValueError(f"{name}: {known} given; give zero or more.")
        if self.largest > 1:
            raise ValueError(
                f"largest: {self.largest} given; cores have 1 times all atoms at most."
            )
        shape, count = getattr(self.logits, "shape", None), len(self.groups.names)
        if shape is not None and shape != (count,):
            raise ValueError(
                f"logits: shape {shape} given for {count} groups; give one number each."
            )

    @staticmethod
    def learning(
        key: PRNGKeyArray,
        groups: Sequence[str] = COMMON,
        *,
        hidden: Sequence[int] = (16,),
        dtype: Any = jnp.float32,
    ) -> "Grown":
        """Return starts to be trained, which grow as those with the defaults do.

        Arguments:
            key: for the hidden weights of the network that scores sites.
            groups: point groups of the cores.
            hidden: sizes of its hidden layers.
            dtype: of all numbers.
        """
        grown = Grown(
            Groups(groups, dtype),
            logits=jnp.zeros(len(groups), dtype),
            scorer=Scorer.create(key, hidden=hidden, dtype=dtype),
        )
        return cast(grown, dtype)

    def trainable(self) -> PyTree:
        scorer = jax.tree.map(lambda _: "real", self.scorer)
        return trained(
            self,
            noise="positive",
            tolerance="positive",
            radius="positive",
            calm="positive",
            small="positive",
            logits=None if self.logits is None else "real",
            scorer=scorer,
        )

    def start(
        self, key: PRNGKeyArray, potential: AbstractPotential, n: int, dtype: Any
    ) -> Start:
        require_draw(potential, n, dtype)
        if not suits(potential):
            raise ValueError(
                f"potential: {type(potential).__name__} cannot be grown: its space has "
                "images, or nothing says what a vacant site is worth; use another start, "
                "or register a law with l2h.lattice.law."
            )
        p = cast(self, dtype)
        scale = cast(potential.scale, dtype)
        capacity = padded(n + self.surplus)
        # Cores are much smaller than clusters, and quenched in rows of their own.
        rows = padded(max(self.smallest, int(self.largest * n)) + self.surplus)
        rows = min(rows, capacity)
        target = jnp.asarray(potential.space.atoms(n), jnp.int32)
        keys = jax.random.split(key, 7)
        for_group, for_size, for_fill, for_noise, for_style, for_growth, for_rest = keys
        operations, mask = p.groups[p._group(for_group)]
        most = jnp.maximum(p.largest * target.astype(dtype), self.smallest)
        span = jnp.floor(most - self.smallest + 1)
        drawn = _raised(jax.random.uniform(for_size, (), dtype), p.small)
        size = self.smallest + jnp.floor(span * drawn)
        size = size.astype(jnp.int32)
        filled = symmetric_fill(
            for_fill,
            operations,
            mask,
            size,
            size + self.surplus,
            p.radius * jnp.cbrt(size.astype(dtype)),
            capacity=rows,
        )
        present = jnp.arange(rows, dtype=jnp.int32) < filled.count
        core, evaluations = p._quenched(potential, filled.positions * scale.length, present)
        core = jnp.pad(core / scale.length, ((0, capacity - rows), (0, 0)))
        zero = jnp.asarray(0, jnp.int32)
        noise = p.noise * _raised(jax.random.uniform(for_noise, (), dtype), p.calm)
        preference: Callable[[Growing, Sites], Array] | None = None
        if p.scorer is not None:
            scorer, style = p.scorer, draw_style(for_style, dtype)

            def prefer(cluster: Growing, found: Sites) -> Array:
                return scorer(cluster, found, operations, mask, target, noise, style)

            preference = prefer

        cluster = grow(
            for_growth,
            Growing(core, filled.count, zero),
            operations,
            mask,
            target,
            target + self.surplus,
            noise,
            preference,
        )
        cluster = _counted(potential, cluster, target, scale)
        positions = cluster.positions[:n] * scale.length
        fallback = Uniform()(for_rest, potential, n, dtype)
        done = (cluster.count == target) & jnp.all(jnp.isfinite(positions))
        spent = Spent(evaluations, cluster.probes)
        return Start(jnp.where(done, positions, fallback), spent)

    def _group(self, key: PRNGKeyArray) -> Int[Array, ""]:
        """Draw a group: one of all at random, which then gives way to another as often as
        its weight lies below the mean. Little changes where weights change little."""
        count = len(self.groups.names)
        for_which, for_stay, for_other = jax.random.split(key, 3)
        which = jax.random.randint(for_which, (), 0, count, jnp.int32)
        if self.logits is None:
            return which
        # Over their mean; exactly one where all are equal.
        weights = jnp.exp(self.logits - jnp.max(self.logits))
        weights = weights / jnp.mean(weights)
        stays = jax.random.uniform(for_stay, (), weights.dtype) < weights[which]
        rest = jnp.log(jnp.maximum(weights - 1, 0))
        other = jax.random.categorical(for_other, rest).astype(which.dtype)
        return jnp.where(stays, which, other)

    def _quenched(
        self,
        potential: AbstractPotential,
        positions: Float[Array, "m 3"],
        present: Bool[Array, " m"],
    ) -> tuple[Float[Array, "m 3"], Int[Array, ""]]:
        """Relax the atoms that are there; return what that cost, too."""
        species = None
        if hasattr(potential, "species"):
            species = jnp.full(len(positions), _kind(potential), jnp.int32)
        masked = potential_with(potential, Partial(present=present), species)
        relaxed = quench(
            masked,
            positions,
            tolerance=self.tolerance,
            limit=self.limit,
            optimizer=LBFGS.coarse(),
        )
        return relaxed.positions, relaxed.evaluations


def _kind(potential: Any) -> Int[Array, ""] | int:
    """Return the species that grows: the first atom's, where there are species."""
    species = getattr(potential, "species", None)
    return 0 if species is None else species[0].astype(jnp.int32)


def _raised(draw: Float[Array, ""], exponent: Float[Array, ""]) -> Float[Array, ""]:
    """Return a random number to a power; to the bit itself, for an exponent of one."""
    return draw * jnp.where(draw > 0, draw, 1) ** (exponent - 1)


def _counted(
    potential: AbstractPotential, cluster: Growing, n: Int[Array, ""], scale: Scale
) -> Growing:
    """Settle a cluster, and again, on new sites, while that brings it closer to n atoms."""
    known, kind = law(potential), _kind(potential)
    assert known is not None

    def going(state: tuple[Growing, Bool[Array, ""]]) -> Bool[Array, ""]:
        return state[1]

    def body(state: tuple[Growing, Bool[Array, ""]]) -> tuple[Growing, Bool[Array, ""]]:
        before, _ = state
        after, _ = settle(known, before, n, scale.length, scale.energy, kind)
        return after, (after.count < n) & (after.count > before.count)

    return jax.lax.while_loop(going, body, (cluster, jnp.asarray(True)))[0]
