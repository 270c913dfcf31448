"""The checks of contracts object to classes that break them."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import pytest

from l2h.inits import AbstractInit
from l2h.meta import ES
from l2h.meta.base import AbstractMetaStrategy
from l2h.optimizers import AbstractOptimizer
from l2h.potentials import AbstractPotential, LennardJones, Observation, Scale
from l2h.spaces import AbstractSpace, Free
from l2h.testing import check_init, check_optimizer, check_potential, check_strategy


class Bonds(AbstractPotential):
    """A correct potential with one fault of choice."""

    fault: str = eqx.field(static=True)
    strength: Any = eqx.field(converter=jnp.asarray, default=1.0)
    space: AbstractSpace = Free()

    @property
    def scale(self) -> Scale:
        length = -1.0 if self.fault == "scale" else 1.0
        return Scale(length=jnp.asarray(length), energy=jnp.asarray(1.0))

    def __call__(self, positions):
        squares = jnp.sum((positions[:, None] - positions[None]) ** 2, axis=-1)
        shares = jnp.sum((squares - 1) ** 2, axis=1) * self.strength.astype(positions.dtype)
        if self.fault == "order":
            shares = shares * jnp.arange(len(shares), dtype=shares.dtype)
        if self.fault == "rotation":
            shares = shares + positions[:, 0] ** 2 - jnp.mean(positions[:, 0]) ** 2
        return jnp.sum(shares)

    def observe(self, positions):
        energy, gradient = jax.value_and_grad(self.__call__)(positions)
        share = energy / len(positions)
        match self.fault:
            case "gradient":
                gradient = 1.001 * gradient
            case "shares":
                share = 2 * share
            case "precision":
                energy = energy.astype("float64")
        return Observation(positions, energy, gradient, jnp.full(len(positions), share))


@pytest.mark.parametrize(
    ("fault", "promise"),
    [
        ("gradient", "derivative"),
        ("shares", "sum to the energy"),
        ("precision", "precision"),
        ("rotation", "rotation"),
        ("order", "change places"),
        ("scale", "scale"),
    ],
)
def test_potentials(fault, promise):
    with pytest.raises(AssertionError, match=promise):
        # The structure is given, since the natural length may be wrong.
        check_potential(Bonds(fault), 1.1 * jax.random.normal(jax.random.key(0), (5, 3)))


def test_potentials_without_fault():
    check_potential(Bonds("none"))


class Static(AbstractPotential):
    """Its length is a Python number, so that another one compiles again."""

    length: float = 1.0
    space: AbstractSpace = Free()

    @property
    def scale(self) -> Scale:
        return LennardJones(self.length).scale

    def __call__(self, positions):
        return LennardJones(self.length)(positions)

    def observe(self, positions):
        return LennardJones(self.length).observe(positions)


def test_potentials_with_numbers_that_are_no_leaves():
    with pytest.raises(AssertionError, match="array leaves"):
        check_potential(Static())


class Faulty(AbstractOptimizer[Any]):
    """A descent with one fault of choice."""

    fault: str = eqx.field(static=True)
    rate: Any = eqx.field(converter=jnp.asarray, default=1e-3)

    def begin(self, potential, observation, *, horizon, key):
        return jnp.zeros((), "float64" if self.fault == "precision" else horizon.dtype)

    def move(self, potential, state, *, key):
        seen = state.observation
        gradient = seen.gradient
        if self.fault == "evaluations":
            gradient = jax.grad(potential)(seen.positions)
        if self.fault == "rotation":
            gradient = jnp.sign(gradient)
        if self.fault == "order":
            gradient = gradient.at[0].multiply(2)
        return seen.positions - self.rate.astype(gradient.dtype) * gradient, state.memory

    def trainable(self):
        if self.fault == "trainable":
            return {"rate": "positive"}
        kind = "large" if self.fault == "kind" else "positive"
        return eqx.tree_at(lambda tree: tree.rate, self, kind)


@pytest.mark.parametrize(
    ("fault", "promise"),
    [
        ("precision", "remembered"),
        ("evaluations", "10 evaluations"),
        ("rotation", "rotated"),
        ("order", "exchanged"),
        ("trainable", "trainable"),
        ("kind", "trainable"),
    ],
)
def test_optimizers(fault, promise):
    with pytest.raises(AssertionError, match=promise):
        check_optimizer(Faulty(fault))


class Fixed(AbstractInit):
    """The same start for every key."""

    def __call__(self, key, potential, n, dtype):
        return jnp.arange(3 * n, dtype=dtype).reshape(n, 3) ** 1.1


class Flat(AbstractInit):
    """Two coordinates for each atom."""

    def __call__(self, key, potential, n, dtype):
        return jax.random.uniform(key, (n, 2), dtype)


@pytest.mark.parametrize(("init", "promise"), [(Fixed(), "another key"), (Flat(), "shape")])
def test_inits(init, promise):
    # The run-time type checker, on in tests, may be the first to object.
    with pytest.raises((AssertionError, TypeError), match=f"{promise}|Float"):
        check_init(init)


class Spoiled(AbstractMetaStrategy):
    """An evolution strategy with one fault of choice."""

    fault: str = eqx.field(static=True)
    whole: Any = eqx.field(default_factory=lambda: ES(pairs=4))

    @property
    def population(self):
        return self.whole.population

    def init(self, optimizer, seed):
        return self.whole.init(optimizer, seed)

    def member(self, state, index):
        if self.fault == "noise":
            state = eqx.tree_at(lambda s: s.update, state, jnp.zeros_like(state.update))
        return self.whole.member(state, index)

    def tell(self, state, losses):
        after, info = self.whole.tell(state, losses)
        match self.fault:
            case "count":
                after = eqx.tree_at(lambda s: s.update, after, state.update)
            case "poison":
                params = after.params + 0 * jnp.mean(losses)
                after = eqx.tree_at(lambda s: s.params, after, params)
            case "ascent":
                params = 2 * state.params - after.params
                after = eqx.tree_at(lambda s: s.params, after, params)
            case "told":
                info = {"loss": info["loss"]}
        return after, info


@pytest.mark.parametrize(
    ("fault", "promise"),
    [
        ("noise", "noise"),
        ("count", "counted"),
        ("poison", "poison"),
        ("ascent", "descended"),
        ("told", "is told"),
    ],
)
def test_strategies(fault, promise):
    with pytest.raises(AssertionError, match=promise):
        check_strategy(Spoiled(fault))
