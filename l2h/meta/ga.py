"""A genetic algorithm on the trainable leaves."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from .._leaves import AbstractTrainable, as_array, cast, concrete
from .base import AbstractMetaStrategy, MetaState, alignment, effective_number, repair
from .params import ravel
from .schedule import Schedule, at, schedule


class Genomes(eqx.Module):
    """What survived the last selection."""

    survivors: Float[Array, "s p"]
    """The parents of the current generation, the best first."""
    move: Float[Array, " p"]
    """How far the best differs from the best before."""


class GA(AbstractMetaStrategy):
    """Truncation selection, elites, Gaussian mutation and, if wanted, uniform crossover.

    Members are ranked by their mean loss over tasks and starts. The best `parents` of them
    survive; the best `elites` of these are the first members of the next generation,
    unchanged, and every other member is a mutated copy of a survivor drawn at random. A
    rank does not ask how bad an exploding member is.

    Elites are evaluated again in every update, since the starts change; those that were
    best by luck lose their place. On fixed starts the centre, which is the best of the
    last evaluation, never becomes worse as long as there is an elite.

    Arguments:
        members: size of the population.
        parents: number of survivors.
        elites: number of survivors that are carried over unchanged.
        sigma: standard deviation of mutations, a number or an optax schedule.
        crossover: probability of every number of a child to come from a second parent.

    Raises:
        ValueError: if a number is out of range.

    Reference: Such et al. 2017, arXiv:1712.06567; for learned optimizers Merchant, Metz,
        Schoenholz, Cubuk 2021, arXiv:2107.09661.
    """

    members: int = eqx.field(static=True, default=64)
    parents: int = eqx.field(static=True, default=16)
    elites: int = eqx.field(static=True, default=2)
    sigma: Schedule = eqx.field(converter=schedule("sigma"), default=0.1)
    crossover: Float[Array, ""] = eqx.field(converter=as_array, default=0.0)

    def __check_init__(self) -> None:
        if self.members < 2:
            raise ValueError(f"members: {self.members} given; a population has at least 2.")
        if not 1 <= self.parents <= self.members:
            raise ValueError(
                f"parents: {self.parents} given; of {self.members} members, at least 1 "
                "and at most all may survive."
            )
        if not 0 <= self.elites <= self.parents or self.elites == self.members:
            raise ValueError(
                f"elites: {self.elites} given; take at most as many as there are parents "
                f"({self.parents}), and fewer than members ({self.members})."
            )
        crossover = concrete(self.crossover)
        if crossover is not None and not 0 <= crossover <= 1:
            raise ValueError(
                f"crossover: {crossover} given; a probability lies between 0 and 1."
            )

    @property
    def population(self) -> int:
        return self.members

    def init(self, optimizer: AbstractTrainable, seed: int) -> MetaState:
        params = ravel(optimizer)
        return MetaState(
            template=optimizer,
            params=params,
            memory=Genomes(jnp.tile(params, (self.parents, 1)), jnp.zeros_like(params)),
            update=jnp.asarray(0, jnp.int32),
            seed=jnp.asarray(seed, jnp.uint32),
        )

    def parent(self, state: MetaState, index: Int[Array, ""]) -> Int[Array, ""]:
        """Return which survivor a member descends from, in the first place."""
        key = jax.random.fold_in(jax.random.fold_in(state.key, index), 0)
        drawn = jax.random.randint(key, (), 0, self.parents, jnp.int32)
        return jnp.where(index < self.elites, index.astype(jnp.int32), drawn)

    def member(self, state: MetaState, index: Int[Array, ""]) -> Float[Array, " p"]:
        dtype, shape = state.params.dtype, state.params.shape
        survivors = state.memory.survivors
        key = jax.random.fold_in(state.key, index)
        other, mask, noise = (jax.random.fold_in(key, i) for i in (1, 2, 3))
        first = survivors[self.parent(state, index)]
        second = survivors[jax.random.randint(other, (), 0, self.parents, jnp.int32)]
        crossed = jax.random.uniform(mask, shape, dtype) < cast(self.crossover, dtype)
        step = at(self.sigma, state.update, dtype) * jax.random.normal(noise, shape, dtype)
        child = jnp.where(crossed, second, first) + step
        return jnp.where(index < self.elites, first, child)

    def tell(
        self, state: MetaState, losses: Float[Array, "q t c"]
    ) -> tuple[MetaState, dict[str, Float[Array, ""]]]:
        dtype = state.params.dtype
        told, replaced = repair(losses.astype(dtype))
        # Stable: of equals, the one that was there before stays.
        order = jnp.argsort(jnp.mean(told, axis=(1, 2)), stable=True)[: self.parents]
        survivors = self.ask(state)[order]
        move = survivors[0] - state.params
        lineage = jax.vmap(lambda i: self.parent(state, i))(order)
        counts = jnp.sum(jax.nn.one_hot(lineage, self.parents, dtype=dtype), axis=0)
        following = MetaState(
            template=state.template,
            params=survivors[0],
            memory=Genomes(survivors, move),
            update=state.update + 1,
            seed=state.seed,
        )
        return following, {
            "loss": jnp.mean(told),
            "nonfinite_losses": replaced,
            "gradient_norm": jnp.linalg.norm(move),
            "cosine": alignment(move, state.memory.move),
            "effective_population": effective_number(counts),
            "sigma": at(self.sigma, state.update, dtype),
        }
