"""Estimators of the meta-gradient against closed forms."""

import math
from collections.abc import Callable, Iterator

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from l2h.meta import NormalizedES, flatten
from l2h.optimizers import Adam

from .base import Context, Row, check, close, large

SIGMA, PAIRS, REPEATS = 0.1, 4096, 25
# So rarely is a correct estimator further away: about once in 10^8.
SIGMAS = 6.0


def estimates(
    strategy: NormalizedES, losses: Callable[[jax.Array], jax.Array]
) -> np.ndarray:
    """Return sigma times the estimate at theta = 0, for independent seeds.

    Arguments:
        strategy: the estimator.
        losses: of members `"q p"`, as `"q t"`.
    """

    seeds = jnp.arange(REPEATS, dtype=jnp.uint32)
    return np.stack([np.asarray(estimate(strategy, losses, s), float) for s in seeds])


@eqx.filter_jit
def estimate(
    strategy: NormalizedES, losses: Callable[[jax.Array], jax.Array], seed: jax.Array
) -> jax.Array:
    """Return sigma times one estimate; compiled once for each kind of loss."""
    state = strategy.init(Adam(), 0)
    centred = eqx.tree_at(
        lambda s: (s.theta, s.seed), state, (jnp.zeros_like(state.theta), seed)
    )
    found = losses(strategy.ask(centred))[:, :, None]
    return strategy.gradient(centred, found)[0] * SIGMA


def projected(
    name: str, drawn: np.ndarray, direction: np.ndarray, goal: float, source: str
) -> Row:
    """Compare the mean estimate along a direction with its expectation, within SIGMAS
    standard errors as estimated from the repeats."""
    along = drawn @ direction
    error = float(np.std(along, ddof=1)) / math.sqrt(len(along))
    return close(name, np.mean(along), goal, SIGMAS * error, source)


def unit(values: list[float]) -> np.ndarray:
    """Return a unit vector."""
    return np.array(values) / np.linalg.norm(values)


def targets() -> tuple[np.ndarray, np.ndarray]:
    """Return two orthogonal unit vectors in the space of trainable leaves."""
    size = int(flatten(Adam()).size)
    first = unit([1.0, -2.0, 0.5, 1.5, 0.7][:size])
    other = np.roll(first, 1)
    return first, unit(list(other - (other @ first) * first))


@check("meta")
def quadratic(context: Context) -> Iterator[Row]:
    # |theta + a|^2 / 2 has the antithetic difference 2 sigma z.a; divided by its root mean
    # square, its mean product with z is the unit vector along a.
    first, across = targets()

    def losses(members: jax.Array) -> jax.Array:
        return 0.5 * jnp.sum((members + 3.0 * first) ** 2, axis=1)[:, None]

    source = f"closed form, {SIGMAS:.0f} standard errors of {REPEATS} seeds"
    drawn = estimates(NormalizedES(pairs=PAIRS, sigma=SIGMA, clip=1e9), losses)
    yield projected("quadratic: along the gradient", drawn, first, 1.0, source)
    yield projected("quadratic: across it", drawn, across, 0.0, source)

    # By Stein's identity the mean of z clip(z, c) is P(|z| < c).
    for clip in (1.0, 2.0):
        drawn = estimates(NormalizedES(pairs=PAIRS, sigma=SIGMA, clip=clip), losses)
        goal = math.erf(clip / math.sqrt(2))
        yield projected(f"clipped at {clip}: along", drawn, first, goal, source)


@check("meta")
def tasks_alike(context: Context) -> Iterator[Row]:
    first, across = targets()

    def losses(members: jax.Array) -> jax.Array:
        return jnp.stack([members @ first, 1e6 * (members @ across)], axis=1)

    source = "closed form: each task pulls with unit length"
    drawn = estimates(NormalizedES(pairs=PAIRS, sigma=SIGMA, clip=1e9), losses)
    yield projected("two tasks: pull of the first", drawn, first, 0.5, source)
    yield projected("two tasks, second 1e6 times: its pull", drawn, across, 0.5, source)


@check("meta")
def resolution(context: Context) -> Iterator[Row]:
    first, _ = targets()
    drawn = estimates(
        NormalizedES(pairs=PAIRS, sigma=SIGMA, clip=1e9),
        lambda members: (members @ first)[:, None],
    )
    along = drawn @ first
    error = np.std(along, ddof=1) / math.sqrt(REPEATS)
    yield large(
        "control: an estimate 2 % too long, in standard errors",
        0.02 / error,
        SIGMAS,
        "errors of this size must not pass",
    )
