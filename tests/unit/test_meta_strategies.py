"""Meta-strategies against closed forms, exploding members, and one another."""

import math
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.stats import norm

from l2h import rollout
from l2h.meta import ES, ESMC, GA, NormalizedES, cosine, unravel
from l2h.meta.base import alignment, effective_number
from l2h.meta.schedule import at as at_update
from l2h.meta.shaping import Clipped, Normalized, Plain
from l2h.optimizers import Adam, GradientDescent
from l2h.potentials import FunctionPotential

SIGMA, PAIRS = 0.1, 32
DESCENTS = [kind(pairs=PAIRS, sigma=SIGMA) for kind in (ES, ESMC, NormalizedES)]
STRATEGIES = [*DESCENTS, GA(members=64, parents=16, elites=2, sigma=SIGMA)]
NAMES = ("es", "esmc", "normalized-es", "ga")
every = pytest.mark.parametrize("strategy", STRATEGIES, ids=NAMES)
descents = pytest.mark.parametrize("strategy", DESCENTS, ids=NAMES[:3])

# Compiled once for each kind of strategy; all losses have the same shape and precision.
ask = eqx.filter_jit(lambda strategy, state: strategy.ask(state))
tell = eqx.filter_jit(lambda strategy, state, losses: strategy.tell(state, losses))


def single(values):
    """Return an array in single precision, in which training runs."""
    return jnp.asarray(values, "float32")


ORIGIN, FAR = single([0, 0, 0, 0]), single([-1, 1.5, 1, -2])
SLOPE = single([1, -2, 0.5, 3])
CURVATURE = single([[3, 1, 0, 0], [1, 2, 0, 0], [0, 0, 5, -1], [0, 0, -1, 0.5]])


def at(strategy, params, seed=0):
    """Return a state centred at `params`."""
    template = jax.tree.map(lambda x: x.astype(params.dtype), Adam())
    state = eqx.tree_at(lambda s: s.params, strategy.init(template, seed), params)
    if not isinstance(strategy, GA):
        return state
    survivors = jnp.tile(params, (strategy.parents, 1))
    return eqx.tree_at(lambda s: s.memory.survivors, state, survivors)


def alike(losses):
    """Return losses of members as those on each of two tasks from each of three starts."""
    return jnp.tile(losses[:, None, None], (1, 2, 3))


def linear(members):
    return alike(7 + members @ SLOPE)


def quadratic(members):
    return alike(0.5 * jnp.einsum("qi,ij,qj->q", members, CURVATURE, members))


def valley(members):
    """Rosenbrock's function in the first two coordinates, a bowl in the others."""
    x, y, *others = members.T
    return alike((1 - x) ** 2 + 10 * (y - x**2) ** 2 + sum(z**2 for z in others))


def random(strategy, seed=0):
    """Return losses that have nothing to do with the members."""
    return jax.random.normal(jax.random.key(seed), (strategy.population, 2, 3), SLOPE.dtype)


def vector(state):
    """Return what a state remembers of its last estimate, or of its last move."""
    memory = state.memory
    return memory.move if hasattr(memory, "move") else memory.estimate


@eqx.filter_jit
def estimates(strategy, losses, params, repeats):
    """Return estimates of the gradient at `params`, for independent seeds."""

    def one(seed):
        state = eqx.tree_at(lambda s: s.seed, at(strategy, params), seed)
        return strategy.gradient(state, losses(strategy.ask(state)))[0]

    return jax.vmap(one)(jnp.arange(repeats, dtype=jnp.uint32))


def test_es_has_the_mean_and_variance_of_a_gradient_estimate():
    params, repeats = single([0.3, -0.2, 0.5, 1.0]), 4000
    found = np.asarray(estimates(DESCENTS[0], quadratic, params, repeats), float)
    exact = np.asarray(CURVATURE @ params, float)
    errors = found.std(axis=0) / math.sqrt(repeats)
    assert np.all(np.abs(found.mean(axis=0) - exact) < 5 * errors)
    # z z^T g has the variance 2 g^2 along g and g^2 across it; m pairs are averaged.
    unit = exact / np.linalg.norm(exact)
    across = np.roll(unit, 1) - (np.roll(unit, 1) @ unit) * unit
    across /= np.linalg.norm(across)
    for direction, factor in ((unit, 2.0), (across, 1.0)):
        variance = (found @ direction).var() / (factor * exact @ exact / PAIRS)
        # Excess kurtosis is at most 12 / m here.
        assert abs(variance - 1) < 5 * math.sqrt((2 + 12 / PAIRS) / repeats)


def test_esmc_keeps_half_of_a_slope():
    es, esmc, _ = DESCENTS
    state = at(es, FAR)
    members = ask(esmc, state)
    # Only the improving side of a pair differs from the centre.
    half, info = tell(esmc, state, linear(members))
    whole, _ = tell(es, state, linear(members[:-1]))
    np.testing.assert_allclose(vector(half), vector(whole) / 2, rtol=1e-4)
    assert info["clipped"] == 0.5


def test_esmc_on_a_parabola():
    # With L = x^2 / 2, a pair gains where 0 < -z < c = 2 x / sigma.
    x, repeats = 0.7, 4000
    for sigma in (0.1, 1.0, 4.0):
        c = 2 * x / sigma
        squares = norm.cdf(c) - 0.5 - c * norm.pdf(c)
        cubes = 2 * norm.pdf(0) - (c**2 + 2) * norm.pdf(c)
        expected = x * squares - 0.5 * sigma * cubes
        strategy = ESMC(pairs=PAIRS, sigma=sigma)
        found = np.asarray(estimates(strategy, parabola, single([x, 0, 0, 0]), repeats))
        errors = found.std(axis=0) / math.sqrt(repeats)
        goal = [expected, 0, 0, 0]
        assert np.all(np.abs(found.mean(axis=0) - goal) < 5 * errors)


def parabola(members):
    return alike(0.5 * members[:, 0] ** 2)


def test_normalized_es_points_along_the_gradient_with_known_length():
    # The differences of a linear loss are normal; by Stein's identity the mean of
    # z clip(z, c) is P(|z| < c).
    repeats = 4000
    unit = np.asarray(SLOPE / jnp.linalg.norm(SLOPE))
    for clip in (1.0, 2.0, 1e9):
        strategy = NormalizedES(pairs=PAIRS, sigma=SIGMA, clip=clip)
        found = SIGMA * np.asarray(estimates(strategy, linear, ORIGIN, repeats), float)
        errors = found.std(axis=0) / math.sqrt(repeats)
        expected = math.erf(clip / math.sqrt(2)) * unit
        # The root mean square is itself an estimate, with a bias of the order 1 / m.
        assert np.all(np.abs(found.mean(axis=0) - expected) < 5 * errors + 0.5 / PAIRS)


@pytest.mark.parametrize("scale", [1e-6, 1e6, 1e30])
def test_normalized_es_does_not_know_the_scale_of_a_task(scale):
    strategy = DESCENTS[2]
    state = at(strategy, ORIGIN)
    members = ask(strategy, state)
    tasks = jnp.concatenate([linear(members), quadratic(members + 1)], axis=1)[:, 1:3]
    expected, _ = tell(strategy, state, tasks)
    found, _ = tell(strategy, state, tasks.at[:, 1].multiply(scale))
    np.testing.assert_allclose(vector(found), vector(expected), rtol=1e-3)


def test_centre_clips_each_start_before_they_are_averaged():
    es, esmc, plain = DESCENTS
    centred = NormalizedES(pairs=PAIRS, sigma=SIGMA, centre=True)
    state, losses = at(es, ORIGIN), random(esmc)
    clipped = jnp.minimum(losses, losses[-1:])[:-1]
    for clipping, without in ((esmc, es), (centred, plain)):
        found, expected = tell(clipping, state, losses), tell(without, state, clipped)
        np.testing.assert_allclose(vector(found[0]), vector(expected[0]), rtol=1e-5)
    above = np.mean(np.asarray(losses[:-1] > losses[-1:]))
    assert tell(esmc, state, losses)[1]["clipped"] == pytest.approx(above)


@descents
def test_one_exploding_member(strategy):
    state = at(strategy, ORIGIN)
    plain = linear(ask(strategy, state))
    quiet, loud, louder = (
        vector(tell(strategy, state, plain.at[5].add(explosion))[0])
        for explosion in (0.0, 1e9, 1e30)
    )
    if isinstance(strategy.shaping, Plain):
        for far, near in ((loud, quiet), (louder, loud)):
            assert jnp.linalg.norm(far) > 1e5 * jnp.linalg.norm(near)
    else:
        # Nothing grows with the explosion, and no pair weighs more than the clip allows.
        np.testing.assert_allclose(louder, loud, rtol=1e-3, atol=1e-3)
        noise = jax.vmap(partial(strategy.direction, state))(jnp.arange(PAIRS))
        largest = (
            2.0 if isinstance(strategy.shaping, Normalized) else jnp.max(jnp.abs(plain - 7))
        )
        bound = largest * jnp.mean(jnp.linalg.norm(noise, axis=1)) / SIGMA
        assert jnp.linalg.norm(louder - quiet) < 2 * bound


@every
def test_no_loss_poisons_the_centre(strategy):
    start = state = at(strategy, ORIGIN)
    huge = float(jnp.finfo(state.params.dtype).max)
    for seed in range(4):
        bad = random(strategy, seed).at[3, 0, 1].set(jnp.nan).at[4, 1].set(jnp.inf)
        bad = bad.at[5].set(-jnp.inf).at[6].set(huge).at[7].set(-huge)
        bad = bad.at[8, 0].set(huge / 1e4)
        state, info = tell(strategy, state, bad)
        # All that is kept, and every statistic.
        assert all(jnp.all(jnp.isfinite(x)) for x in jax.tree.leaves((state, info)))
        assert info["nonfinite_losses"] == 1 + 3 + 6 + 6 + 6
    # Without any loss, nothing is known and nothing changes.
    state, info = tell(strategy, start, jnp.full_like(bad, jnp.nan))
    assert info["nonfinite_losses"] == bad.size
    np.testing.assert_array_equal(state.params, start.params)


@every
def test_non_finite_losses_count_as_the_worst(strategy):
    state, losses = at(strategy, ORIGIN), random(strategy)
    worst = losses.at[3, 0, 1].set(-9).at[7, 1, 2].set(-9)
    worst = worst.at[3, 0, 1].set(worst[:, 0, 1].max())
    worst = worst.at[7, 1, 2].set(worst[:, 1, 2].max())
    bad = losses.at[3, 0, 1].set(jnp.nan).at[7, 1, 2].set(-jnp.inf)
    found, expected = (tell(strategy, state, x)[0] for x in (bad, worst))
    np.testing.assert_array_equal(found.params, expected.params)


@every
def test_minimises(strategy):
    strategy = eqx.tree_at(lambda s: s.sigma, strategy, cosine(SIGMA, 0.1 * SIGMA, 300))
    if not isinstance(strategy, GA):
        strategy = eqx.tree_at(
            lambda s: s.learning_rate, strategy, cosine(0.05, 0.001, 300)
        )
    state = at(strategy, FAR)
    curve = [float(valley(state.params[None])[0, 0, 0])]
    for _ in range(300):
        state, _ = tell(strategy, state, valley(ask(strategy, state)))
        curve.append(float(valley(state.params[None])[0, 0, 0]))
    assert curve[-1] < 1e-2 * curve[0]
    if isinstance(strategy, GA):
        # The best are evaluated again, and these losses do not change.
        assert np.all(np.diff(curve) <= 0)


def selected(sigma, crossover):
    """Return survivors far from each other, and generations of members close to them."""
    wide = GA(members=64, parents=16, elites=2, sigma=1.0)
    close = GA(members=64, parents=16, elites=2, sigma=sigma, crossover=crossover)
    first = ask(wide, at(wide, ORIGIN))
    state, info = tell(wide, at(wide, ORIGIN), linear(first))
    members = []
    for update in range(1, 21):
        now = eqx.tree_at(lambda s: s.update, state, jnp.asarray(update, jnp.int32))
        members.append(np.asarray(ask(close, now)))
    best = first[jnp.argsort(linear(first)[:, 0, 0])[:16]]
    return state, np.stack(members), np.asarray(best), info


def test_survivors_are_the_best_and_elites_stay():
    state, members, best, info = selected(sigma=1.0, crossover=0.5)
    np.testing.assert_array_equal(state.memory.survivors, best)
    np.testing.assert_array_equal(state.params, best[0])
    for generation in members:
        np.testing.assert_array_equal(generation[:2], best[:2])
    assert info["gradient_norm"] == pytest.approx(float(np.linalg.norm(best[0])))


def test_mutations_are_normal_about_one_parent():
    _, members, best, _ = selected(sigma=1e-3, crossover=0.0)
    children = members[:, 2:].reshape(-1, 4)
    parents = np.argmin(np.linalg.norm(children[:, None] - best, axis=2), axis=1)
    steps = (children - best[parents]) / 1e-3
    assert abs(steps.mean()) < 5 / math.sqrt(steps.size)
    assert abs(steps.std() - 1) < 5 / math.sqrt(2 * steps.size)
    # Every survivor is as likely to be drawn.
    expected = len(children) / 16
    counts = np.bincount(parents, minlength=16)
    assert np.all(np.abs(counts - expected) < 5 * math.sqrt(expected))


def test_crossover_mixes_genes_of_two_parents():
    _, members, best, _ = selected(sigma=1e-6, crossover=0.5)
    children = members[:, 2:].reshape(-1, 4)
    origins = np.argmin(np.abs(children[:, None] - best), axis=1)
    assert np.max(np.abs(np.take_along_axis(best, origins, 0) - children)) < 1e-5
    # Both parents are the same with probability 1/16, else genes agree half of the time.
    expected = 1 / 16 + 15 / 32
    for other in (1, 2, 3):
        agree = np.mean(origins[:, 0] == origins[:, other])
        assert abs(agree - expected) < 5 * 0.5 / math.sqrt(len(children))


@pytest.mark.parametrize("transform", [jnp.exp, lambda x: x**3, lambda x: 1e30 * x])
def test_selection_knows_ranks_only(transform):
    strategy = STRATEGIES[-1]
    state = at(strategy, ORIGIN)
    losses = linear(ask(strategy, state))
    found, expected = (tell(strategy, state, x)[0] for x in (transform(losses), losses))
    np.testing.assert_array_equal(found.memory.survivors, expected.memory.survivors)


@every
def test_members_are_rederived_one_by_one(strategy):
    state = at(strategy, FAR, seed=3)
    later, _ = tell(strategy, state, quadratic(ask(strategy, state)))
    one = eqx.filter_jit(lambda where, i: strategy.member(where, i))
    for where in (state, later):
        members = ask(strategy, where)
        assert members.shape == (strategy.population, 4)
        for i in (0, 1, PAIRS, strategy.population - 1):
            # Programs may round the sum of centre and noise in their last bit.
            alone = one(where, jnp.asarray(i))
            np.testing.assert_allclose(alone, members[i], rtol=3e-7, atol=1e-7)


@descents
def test_pairs_are_antithetic_and_the_centre_is_last(strategy):
    state = at(strategy, FAR)
    members = ask(strategy, state)
    middle = (members[:PAIRS] + members[PAIRS : 2 * PAIRS]) / 2
    np.testing.assert_allclose(middle, [FAR] * PAIRS, rtol=1e-6)
    rest = members[2 * PAIRS :]
    assert len(rest) == (1 if isinstance(strategy.shaping, Clipped) else 0)
    assert jnp.all(rest == FAR[None])
    # Different estimators are compared on the same pairs.
    np.testing.assert_array_equal(members[: 2 * PAIRS], ask(DESCENTS[0], state))


@every
def test_noise_depends_on_seed_update_and_member_only(strategy):
    def run(seed):
        state = at(strategy, FAR, seed)
        for _ in range(3):
            state, _ = tell(strategy, state, quadratic(ask(strategy, state)))
        return state.params

    np.testing.assert_array_equal(run(1), run(1))
    assert not jnp.any(run(1) == run(2))
    state = at(strategy, FAR, 1)
    later = eqx.tree_at(lambda s: s.update, state, state.update + 1)
    drawn = [ask(strategy, s) for s in (state, later, at(strategy, FAR, 2))]
    # Neither elites nor the unperturbed member are drawn.
    rows = np.concatenate([np.asarray(members)[2:60] for members in drawn])
    assert len({row.tobytes() for row in rows}) == len(rows)


@every
def test_labels_of_tasks_and_starts_mean_nothing(strategy):
    state, losses = at(strategy, ORIGIN), random(strategy)
    shuffled = losses[:, jnp.asarray([1, 0])][:, :, jnp.asarray([2, 0, 1])]
    found, expected = (tell(strategy, state, x) for x in (shuffled, losses))
    np.testing.assert_allclose(found[0].params, expected[0].params, rtol=1e-4, atol=1e-6)
    for key, value in expected[1].items():
        assert found[1][key] == pytest.approx(float(value), rel=1e-4, abs=1e-6), key


WELL = FunctionPotential(lambda x: jnp.sum(x**2))
STARTS = single([[[1.0], [0.5]], [[-1.0], [0.7]]])


@eqx.filter_jit
def tuned_losses(template, members):
    """Return the energies that Adam reaches in ten steps with these settings."""

    def one(params, start):
        run = rollout(unravel(template, params), WELL, start, 10, key=jax.random.key(0))
        return run.state.best_energy

    energies = jax.vmap(lambda params: jax.vmap(partial(one, params))(STARTS))(members)
    return alike(jnp.mean(energies, axis=1))


@every
def test_trains_the_settings_of_adam(strategy):
    # They are numbers of different kinds: rate, decays, a tiny constant.
    strategy = eqx.tree_at(lambda s: s.sigma, strategy, jnp.asarray(0.3))
    if not isinstance(strategy, GA):
        strategy = eqx.tree_at(lambda s: s.learning_rate, strategy, jnp.asarray(0.3))
    slow = jax.tree.map(single, Adam(1e-3))
    state = strategy.init(slow, 0)
    before = tuned_losses(slow, state.params[None])[0, 0, 0]
    for _ in range(30):
        losses = tuned_losses(slow, ask(strategy, state))
        state, _ = tell(strategy, state, losses)
    assert tuned_losses(slow, state.params[None])[0, 0, 0] < 0.1 * before
    tuned = state.optimizer
    assert isinstance(tuned, Adam) and tuned.rate > 1e-2 and 0 < tuned.b1 < 1


@every
def test_statistics(strategy):
    state = at(strategy, ORIGIN)
    losses = linear(ask(strategy, state))
    first, info = tell(strategy, state, losses)
    assert info["loss"] == pytest.approx(float(jnp.mean(losses)), rel=1e-5)
    assert info["cosine"] == 0 and info["nonfinite_losses"] == 0
    assert info["sigma"] == pytest.approx(SIGMA)
    assert 1 <= info["effective_population"] <= PAIRS
    assert all(x.shape == () and jnp.isfinite(x) for x in info.values())
    second, info = tell(strategy, first, linear(ask(strategy, first)))
    old, new = (np.asarray(vector(s), float) for s in (first, second))
    assert info["gradient_norm"] == pytest.approx(np.linalg.norm(new), rel=1e-5)
    cosine = old @ new / np.linalg.norm(old) / np.linalg.norm(new)
    assert info["cosine"] == pytest.approx(cosine, abs=1e-5) and abs(cosine) > 0.01


def test_effective_number_and_alignment():
    assert effective_number(jnp.ones(7)) == pytest.approx(7)
    assert effective_number(-1e200 * jnp.ones(7)) == pytest.approx(7)
    assert effective_number(jnp.zeros(7)) == 0
    assert effective_number(jnp.asarray([3.0, -1, 0])) == pytest.approx(16 / 10)
    a, b = jnp.asarray([1.0, 1, 0]), jnp.asarray([0.0, 5, 0])
    assert alignment(a, b) == pytest.approx(1 / math.sqrt(2))
    assert alignment(a, -b) == pytest.approx(-1 / math.sqrt(2))
    assert alignment(a, jnp.zeros(3)) == 0


def test_cosine_falls_to_its_share_and_stays():
    fall, constant = cosine(0.1, 0.025, 10), jnp.asarray(0.3)
    updates = [jnp.asarray(u, jnp.int32) for u in range(14)]
    progress = [math.cos(math.pi * min(u / 10, 1)) for u in range(14)]
    expected = [0.1 * (0.25 + 0.75 * (1 + x) / 2) for x in progress]
    assert [float(at_update(fall, u, jnp.float64)) for u in updates] == pytest.approx(
        expected
    )
    assert float(at_update(constant, updates[3], jnp.float32)) == pytest.approx(0.3)
    # One function for one set of numbers: what is compiled for it serves again.
    assert cosine(0.1, 0.025, 10) is fall


@every
def test_schedules_apply_at_their_update(strategy):
    fall = cosine(SIGMA, 0.25 * SIGMA, 10)
    falling = eqx.tree_at(lambda s: s.sigma, strategy, fall)
    constant = eqx.tree_at(lambda s: s.sigma, strategy, jnp.asarray(0.25 * SIGMA))
    if not isinstance(strategy, GA):
        falling = eqx.tree_at(lambda s: s.learning_rate, falling, fall)
    late = eqx.tree_at(lambda s: s.update, at(strategy, ORIGIN), jnp.asarray(10, jnp.int32))
    members = ask(falling, late)
    np.testing.assert_allclose(members, ask(constant, late), rtol=1e-5)
    after, info = tell(falling, late, linear(members))
    assert info["sigma"] == pytest.approx(0.25 * SIGMA)
    if not isinstance(strategy, GA):
        # The first step of Adam has the length of its rate in every coordinate.
        assert info["learning_rate"] == pytest.approx(0.25 * SIGMA)
        assert np.abs(after.params) == pytest.approx(np.full(4, 0.25 * SIGMA), rel=1e-3)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@every
def test_precision_of_the_optimizer_is_kept(strategy, dtype):
    state = at(strategy, ORIGIN.astype(dtype))
    told = eqx.filter_eval_shape(tell, strategy, state, random(strategy))
    members = eqx.filter_eval_shape(ask, strategy, state)
    floats = [x for x in jax.tree.leaves(told) if jnp.issubdtype(x.dtype, jnp.floating)]
    assert members.dtype == dtype and {x.dtype for x in floats} == {jnp.dtype(dtype)}


@every
def test_a_number_can_be_swept_without_compiling_again(strategy):
    count = 0

    @eqx.filter_jit
    def width(strategy):
        nonlocal count
        count += 1
        return at_update(strategy.sigma, jnp.asarray(0, jnp.int32), jnp.float32)

    widths = [
        width(eqx.tree_at(lambda s: s.sigma, strategy, jnp.asarray(sigma)))
        for sigma in (0.1, 0.2)
    ]
    assert widths == pytest.approx([0.1, 0.2]) and count == 1


@pytest.mark.parametrize("make", [optax.sgd, partial(optax.adamw, weight_decay=0.5)])
def test_any_optax_optimizer_follows_the_estimate(make):
    strategy = ES(pairs=PAIRS, sigma=SIGMA, learning_rate=0.1, optimizer=make)
    state = at(strategy, FAR)
    losses = quadratic(ask(strategy, state))
    after, _ = tell(strategy, state, losses)
    with jax.numpy_dtype_promotion("standard"):
        peer = make(single(0.1))
        step, _ = peer.update(vector(after), peer.init(state.params), state.params)
    np.testing.assert_allclose(after.params, state.params + step, rtol=1e-5)


class Fixed(GradientDescent):
    def trainable(self):
        return jax.tree.map(lambda _: None, self)


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: ES(pairs=0), "pairs: 0"),
        (lambda: ESMC(pairs=-1), "pairs: -1"),
        (lambda: ES(sigma=-1.0), "sigma: -1"),
        (lambda: ESMC(sigma=0.0), "sigma: 0"),
        (lambda: NormalizedES(learning_rate=0), "learning_rate: 0"),
        (lambda: ES(sigma="large"), "sigma: 'large'"),
        (lambda: NormalizedES(clip=0.0), "clip: 0"),
        (lambda: NormalizedES(pairs=0), "pairs: 0"),
        (lambda: GA(sigma=math.nan), "sigma: nan"),
        (lambda: GA(members=1), "members: 1"),
        (lambda: GA(members=8, parents=9), "parents: 9"),
        (lambda: GA(parents=0, elites=0), "parents: 0"),
        (lambda: GA(members=8, parents=4, elites=5), "elites: 5"),
        (lambda: GA(members=8, parents=8, elites=8), "elites: 8"),
        (lambda: GA(elites=-1), "elites: -1"),
        (lambda: GA(crossover=1.5), "crossover: 1.5"),
        (lambda: ES().init(Fixed(0.1), 0), "module: Fixed"),
        (lambda: GA().init(Fixed(0.1), 0), "module: Fixed"),
    ],
)
def test_bad_input_is_named(build, words):
    with pytest.raises(ValueError, match=words):
        build()


def test_optimizers_that_are_made_already_are_refused():
    # The run-time type checker, on in tests, is the first to object.
    with pytest.raises((ValueError, TypeError), match="optimizer"):
        ES(optimizer=optax.adam(0.1))


def test_a_population_knows_its_size():
    assert ES(pairs=3).population == 6 and ESMC(pairs=3).population == 7
    assert NormalizedES(pairs=3).population == 6
    assert NormalizedES(pairs=3, centre=True).population == 7
    assert GA(members=9, parents=3).population == 9
