"""Meta-strategies against closed forms."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial
from scipy.stats import norm

from l2h.meta import ES, ESMC, GA, EvolutionStrategy, NormalizedES, ravel
from l2h.optimizers import Adam

from .base import Context, Row, check, close, large, small

SIGMA, PAIRS, REPEATS = 0.1, 4096, 25
# So rarely is a correct estimator further away: about once in 10^8.
SIGMAS = 6.0


def estimates(
    strategy: EvolutionStrategy, losses: Callable[[jax.Array], jax.Array]
) -> np.ndarray:
    """Return sigma times the estimate at params = 0, for independent seeds.

    Arguments:
        strategy: the estimator.
        losses: of members `"q p"`, as `"q t"`.
    """

    seeds = jnp.arange(REPEATS, dtype=jnp.uint32)
    return np.stack([np.asarray(estimate(strategy, losses, s), float) for s in seeds])


@eqx.filter_jit
def estimate(
    strategy: EvolutionStrategy, losses: Callable[[jax.Array], jax.Array], seed: jax.Array
) -> jax.Array:
    """Return sigma times one estimate; compiled once for each kind of loss."""
    state = strategy.init(Adam(), 0)
    centred = eqx.tree_at(
        lambda s: (s.params, s.seed), state, (jnp.zeros_like(state.params), seed)
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
    size = int(ravel(Adam()).size)
    first = unit([1.0, -2.0, 0.5, 1.5, 0.7][:size])
    other = np.roll(first, 1)
    return first, unit(list(other - (other @ first) * first))


@check("meta")
def quadratic(context: Context) -> Iterator[Row]:
    # |params + a|^2 / 2 has the antithetic difference 2 sigma z.a; divided by its root mean
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
def plain_and_clipped(context: Context) -> Iterator[Row]:
    first, across = targets()
    source = f"closed form, {SIGMAS:.0f} standard errors of {REPEATS} seeds"

    def bowl(members: jax.Array) -> jax.Array:
        return 0.5 * jnp.sum((members + 3.0 * first) ** 2, axis=1)[:, None]

    drawn = estimates(ES(pairs=PAIRS, sigma=SIGMA), bowl) / SIGMA
    yield projected("ES, quadratic: along the gradient", drawn, first, 3.0, source)
    yield projected("ES, quadratic: across it", drawn, across, 0.0, source)

    # With L = x^2 / 2 along one direction, a pair gains where 0 < -z < c = 2 x / sigma.
    def parabola(x: jax.Array, members: jax.Array) -> jax.Array:
        return 0.5 * ((members @ first + x) ** 2)[:, None]

    for x in (10 * SIGMA, 0.5 * SIGMA):
        c = 2 * x / SIGMA
        squares = norm.cdf(c) - 0.5 - c * norm.pdf(c)
        cubes = 2 * norm.pdf(0) - (c**2 + 2) * norm.pdf(c)
        drawn = estimates(
            ESMC(pairs=PAIRS, sigma=SIGMA), Partial(parabola, jnp.asarray(x))
        ) / (SIGMA * x)
        goal = squares - 0.5 * SIGMA / x * cubes
        name = f"ESMC, parabola at {x / SIGMA:g} sigma: share of the slope"
        yield projected(name, drawn, first, goal, source)


@check("meta")
def explosion(context: Context) -> Iterator[Row]:
    first, _ = targets()

    def exploding(size: jax.Array, members: jax.Array) -> jax.Array:
        return (members @ first).at[5].add(size.astype(members.dtype))[:, None]

    def losses(size: float) -> Callable[[jax.Array], jax.Array]:
        return Partial(exploding, jnp.asarray(size))

    # A weight of at most `clip` for one pair of m, times a direction of about unit length.
    few = 64
    for kind, bound in ((ESMC, 10 * SIGMA / few), (NormalizedES, 4.0)):
        strategy = kind(pairs=few, sigma=SIGMA)
        quiet, loud = (estimates(strategy, losses(size)) for size in (0.0, 1e30))
        yield small(
            f"{kind.__name__}: change of sigma g by a member at 1e30",
            np.max(np.linalg.norm(loud - quiet, axis=1)),
            bound,
            "no pair weighs more than its clip",
        )
    changed = estimates(ES(pairs=few, sigma=SIGMA), losses(1e12))
    yield large(
        "control: the same of ES, by a member at 1e12",
        np.min(np.linalg.norm(changed, axis=1)),
        1e6,
        "plain differences are not bounded",
    )


@check("meta")
def elites(context: Context) -> Iterator[Row]:
    def valley(x: jax.Array) -> jax.Array:
        return (1 - x[..., 0]) ** 2 + 10 * (x[..., 1] - x[..., 0] ** 2) ** 2

    strategy = GA(members=32, parents=8, elites=2, sigma=SIGMA)
    state = strategy.init(Adam(), 0)

    @jax.jit
    def run(state: Any) -> jax.Array:
        def body(state: Any, _: None) -> tuple[Any, jax.Array]:
            losses = valley(strategy.ask(state))[:, None, None]
            after, _ = strategy.tell(state, losses)
            return after, valley(after.params)

        return jax.lax.scan(body, state, length=200)[1]

    curve = np.asarray(run(state), float)
    worse = max(0.0, float(np.max(np.diff(curve))))
    yield small("GA: largest rise on fixed starts", worse, 0.0, "elites are kept")
    yield small("GA: loss after 200 generations", curve[-1], 1e-2, "minimum at zero")


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
