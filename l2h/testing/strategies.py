"""The contract of meta-strategies."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..meta import AbstractMetaStrategy, MetaState
from ..optimizers import Adam
from .base import require, require_close, require_equal, run_all, tolerance

ask = eqx.filter_jit(lambda strategy, state: strategy.ask(state))
tell = eqx.filter_jit(lambda strategy, state, losses: strategy.tell(state, losses))
member = eqx.filter_jit(lambda strategy, state, index: strategy.member(state, index))

Check = Callable[[AbstractMetaStrategy], None]


def check_strategy(strategy: AbstractMetaStrategy) -> None:
    """Raise unless a meta-strategy keeps its contract.

    Members are derived one by one from seed, update and number; an update depends on
    nothing else; losses that are not finite poison nothing; precision is that of the
    optimizer; updates are counted; a bowl is descended into.

    Arguments:
        strategy: the one in question.

    Raises:
        AssertionError: naming the promise.
    """
    run_all(STRATEGY_CHECKS, strategy)


def members_are_derived_one_by_one(strategy: AbstractMetaStrategy) -> None:
    """`member` gives what `ask` does, whoever asks."""
    state = _state(strategy)
    members = ask(strategy, state)
    shape = (strategy.population, state.params.size)
    require(members.shape == shape, f"ask: {shape} are promised, {members.shape} come")
    for index in (0, strategy.population // 2, strategy.population - 1):
        alone = member(strategy, state, jnp.asarray(index))
        close = tolerance(members.dtype)
        require_close(alone, members[index], "member: one alone is as among all", close)


def seeds_and_updates_decide(strategy: AbstractMetaStrategy) -> None:
    """The same seed gives the same updates; another one, and another update, do not."""
    first, again, other = (_updated(strategy, seed) for seed in (0, 0, 1))
    require_equal(first, again, "the same seed gives the same update")
    require(jnp.any(first.params != other.params), "another seed gives another update")
    begun = _state(strategy)
    later = eqx.tree_at(lambda s: s.update, begun, begun.update + 1)
    differ = jnp.any(ask(strategy, begun) != ask(strategy, later))
    require(differ, "noise is new in every update")


def updates_are_counted(strategy: AbstractMetaStrategy) -> None:
    """An update adds one, keeps the rest of the state and says how it went."""
    state = _state(strategy)
    after, info = tell(strategy, state, _bowl(ask(strategy, state)))
    require(int(after.update) == int(state.update) + 1, "an update is counted")
    require(int(after.seed) == int(state.seed), "the seed is kept")
    for name in ("loss", "nonfinite_losses", "gradient_norm", "cosine"):
        require(name in info, f"tell: {name} is told")
    require(all(x.shape == () for x in info.values()), "statistics are single numbers")


def bad_losses_poison_nothing(strategy: AbstractMetaStrategy) -> None:
    """Nothing that is kept becomes NaN or infinite."""
    state = _state(strategy)
    losses = _bowl(ask(strategy, state)).at[0].set(jnp.nan).at[-1, 0].set(jnp.inf)
    after, info = tell(strategy, state, losses.at[1].set(-jnp.inf))
    for leaf in jax.tree.leaves(eqx.filter((after, info), eqx.is_inexact_array)):
        require(jnp.all(jnp.isfinite(leaf)), "losses that are not finite poison nothing")


def precision_is_kept(strategy: AbstractMetaStrategy) -> None:
    """Members and what is kept have the optimizer's precision."""
    for dtype in {jnp.dtype("float32"), jnp.asarray(0.0).dtype}:
        state = _state(strategy, dtype=dtype)
        members = eqx.filter_eval_shape(ask, strategy, state)
        after = eqx.filter_eval_shape(tell, strategy, state, _bowl(ask(strategy, state)))
        kept = [x for x in jax.tree.leaves((members, after)) if hasattr(x, "dtype")]
        found = {x.dtype for x in kept if jnp.issubdtype(x.dtype, jnp.floating)}
        require(found == {dtype}, f"precision: an optimizer in {dtype} gives {found}")


def bowls_are_descended_into(strategy: AbstractMetaStrategy) -> None:
    """Thirty updates lower the loss of a bowl."""
    state = _state(strategy)
    before = _bowl(state.params[None])[0, 0, 0]
    for _ in range(30):
        state, _ = tell(strategy, state, _bowl(ask(strategy, state)))
    after = _bowl(state.params[None])[0, 0, 0]
    require(after < before, f"a bowl is descended into: {before} became {after}")


STRATEGY_CHECKS: dict[str, Check] = {
    check.__name__: check
    for check in (
        members_are_derived_one_by_one,
        seeds_and_updates_decide,
        updates_are_counted,
        bad_losses_poison_nothing,
        precision_is_kept,
        bowls_are_descended_into,
    )
}


def _state(
    strategy: AbstractMetaStrategy, seed: int = 0, dtype: Any = "float32"
) -> MetaState:
    template = jax.tree.map(lambda x: x.astype(dtype), Adam())
    return strategy.init(template, seed)


def _updated(strategy: AbstractMetaStrategy, seed: int) -> MetaState:
    state = _state(strategy, seed)
    # GA needs two for its noise to be seen.
    for _ in range(2):
        state, _ = tell(strategy, state, _bowl(ask(strategy, state)))
    return eqx.tree_at(lambda s: s.seed, state, jnp.asarray(0, state.seed.dtype))


def _bowl(members: Float[Array, "q p"]) -> Float[Array, "q 2 3"]:
    """Return losses that are lowest at the origin, on two tasks from three starts."""
    return jnp.tile(jnp.sum(members**2, axis=1)[:, None, None], (1, 2, 3))
