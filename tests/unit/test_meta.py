"""Meta-training: coordinates, estimator, objective, population."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from l2h import rollout
from l2h.domains import Domain
from l2h.inits import Uniform
from l2h.meta import NormalizedES, Objective, Trainer, assemble, draw_starts, flatten
from l2h.optimizers import Adam, GradientDescent, Learned
from l2h.potentials import FunctionPotential, LennardJones
from l2h.spaces import Free
from l2h.tasks import Task, get

LEARNED = Learned.create(jax.random.key(0), hidden=(4,))


@pytest.mark.parametrize(
    "optimizer", [LEARNED, Adam(0.01, 0.8, 0.99, 1e-7), GradientDescent(0.02)]
)
def test_coordinates_round_trip(optimizer):
    theta = flatten(optimizer)
    again = assemble(optimizer, theta)
    for a, b in zip(jax.tree.leaves(optimizer), jax.tree.leaves(again), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)
        assert a.dtype == b.dtype
    moved = assemble(optimizer, theta + 0.5)
    assert flatten(moved).shape == theta.shape
    np.testing.assert_allclose(flatten(moved), theta + 0.5, rtol=1e-5, atol=1e-5)


def test_coordinates_keep_ranges():
    extreme = assemble(Adam(), flatten(Adam()) - 30.0)
    assert 0 < extreme.rate < 1e-12
    assert 0 <= extreme.b1 < 1e-10
    assert jnp.array_equal(assemble(LEARNED, flatten(LEARNED) + 9.0).head.alpha, 0.1)


def _told(strategy, losses_of, theta):
    """Ask a state centred at `theta`, and return the estimate for these losses."""
    state = strategy.init(LEARNED, 3)
    state = eqx.tree_at(lambda s: s.theta, state, theta)
    losses = losses_of(strategy.ask(state))
    estimate, info = strategy.gradient(state, losses)
    return state, estimate, info


def test_estimator_on_a_quadratic():
    # The antithetic difference of |theta - a|^2 / 2 is 2 sigma z.(theta - a); divided by
    # its root mean square, the estimate is the unit vector along theta - a over sigma.
    strategy = NormalizedES(pairs=4096, sigma=0.1, clip=1e9)
    size = flatten(LEARNED).size
    theta = jnp.zeros(size, jnp.float32)
    away = jnp.asarray(np.random.default_rng(1).normal(size=size), jnp.float32)

    def losses(members):
        quadratic = 0.5 * jnp.sum((members + away) ** 2, axis=1)
        return quadratic[:, None, None]

    _, estimate, _ = _told(strategy, losses, theta)
    unit = away / jnp.linalg.norm(away)
    along = float(estimate @ unit) * 0.1
    # z.u has unit variance, so the mean of (z.u)^2 over its own root mean square is that.
    assert abs(along - 1) < 5 / np.sqrt(2 * 4096)
    across = (0.1 * np.asarray(estimate) - along * np.asarray(unit)) * np.sqrt(4096)
    assert np.all(np.abs(across) < 5.5)
    assert abs(np.std(across) - 1) < 5 / np.sqrt(2 * size)


def test_estimator_weighs_tasks_alike():
    strategy = NormalizedES(pairs=64, clip=2.0)
    theta = flatten(LEARNED)

    def losses(scale):
        def of(members):
            first = members @ jnp.ones_like(theta)
            second = members @ jnp.linspace(-1, 1, theta.size, dtype=theta.dtype)
            return jnp.stack([first, scale * second], axis=1)[:, :, None]

        return of

    _, small, _ = _told(strategy, losses(1.0), theta)
    _, large, _ = _told(strategy, losses(1e6), theta)
    np.testing.assert_allclose(small, large, rtol=1e-3, atol=1e-3)


def test_one_exploding_member_has_bounded_influence():
    strategy = NormalizedES(pairs=16, clip=2.0)
    theta = flatten(LEARNED)

    def losses(explosion):
        def of(members):
            plain = members @ jnp.ones_like(theta)
            return plain.at[5].add(explosion)[:, None, None]

        return of

    state, estimate, info = _told(strategy, losses(1e12), theta)
    largest = jnp.linalg.norm(strategy.noise(state), axis=1).max()
    bound = 2.0 * 16 * largest / (16 * strategy.sigma)
    assert jnp.linalg.norm(estimate) <= bound
    _, other, _ = _told(strategy, losses(1e6), theta)
    assert jnp.linalg.norm(estimate - other) <= 0.02 * bound
    assert 0 < info["clipped"] <= 2 / 16


def test_update_moves_against_the_estimate():
    strategy = NormalizedES(pairs=512, rate=0.1)
    state = strategy.init(LEARNED, 0)
    losses = jnp.sum(strategy.ask(state) ** 2, axis=1)[:, None, None]
    after, info = strategy.tell(state, losses)
    assert jnp.sum(after.theta**2) < jnp.sum(state.theta**2)
    assert after.update == 1 and info["rate"] == pytest.approx(0.1)


def test_rate_decays_to_its_share_and_stays():
    strategy = NormalizedES(pairs=2, rate=0.1, decay=0.25, updates=10.0)
    state = strategy.init(LEARNED, 0)
    losses = jnp.zeros((4, 1, 1))
    rates = []
    for _ in range(13):
        state, info = strategy.tell(state, losses)
        rates.append(float(info["rate"]))
    assert rates[0] == pytest.approx(0.1)
    assert all(a >= b for a, b in zip(rates, rates[1:], strict=False))
    assert rates[10:] == pytest.approx([0.025] * 3)


def test_noise_depends_on_seed_and_update_only():
    few, many = NormalizedES(pairs=3), NormalizedES(pairs=8)
    state = few.init(LEARNED, 5)
    np.testing.assert_array_equal(few.noise(state), many.noise(state)[:3])
    later, _ = few.tell(state, jnp.zeros((6, 1, 1)))
    assert not jnp.any(few.noise(later) == few.noise(state))
    other = few.init(LEARNED, 6)
    assert not jnp.any(few.noise(other) == few.noise(state))


def test_domains_share_no_start():
    task = get("lj5")
    keys = [domain.key(0) for domain in Domain]
    drawn = [np.asarray(draw_starts(task, 4, key, np.dtype("float32"))) for key in keys]
    flat = np.concatenate(drawn)
    assert len({x.tobytes() for x in flat}) == len(flat)


def test_starts_do_not_depend_on_their_number():
    task, key = get("lj5"), Domain.TEST.key(0)
    five = draw_starts(task, 5, key, np.dtype("float32"))
    two = draw_starts(task, 2, key, np.dtype("float32"))
    np.testing.assert_allclose(two, five[:2], rtol=1e-5)


def test_objective_counts_what_it_says():
    objective = Objective(final=0.25, best=0.5, mean_best=0.25)
    start = jnp.asarray([[0.0], [1.3]])
    potential = LennardJones(energy=2.0, space=Free(1))
    key = jax.random.key(0)
    optimizer = GradientDescent(0.01)
    energies = []
    for steps in range(4):
        state = rollout(optimizer, potential, start, steps, key=key).state
        energies.append(float(state.observation.energy))
    best = np.minimum.accumulate(energies)
    expected = 0.25 * energies[-1] + 0.5 * best[-1] + 0.25 * best.mean()
    loss, valid = objective.loss(optimizer, potential, start, jnp.asarray(3), key=key)
    assert valid and loss == pytest.approx(expected / 2.0, rel=1e-6)


def _poisoned(x):
    # Smooth until the walker has moved; not finite beyond.
    return jnp.where(jnp.all(x > -0.5), jnp.sum(x), jnp.nan)


def test_non_finite_rollouts_are_counted_and_have_finite_losses():
    potential = FunctionPotential(_poisoned)
    objective = Objective(final=1.0, best=0.0)
    optimizer = GradientDescent(1.0)
    loss, valid = objective.loss(
        optimizer, potential, jnp.ones((2, 1)), jnp.asarray(4), key=jax.random.key(0)
    )
    # Not above the start's energy, as this function has no separated atoms.
    assert not valid and loss == 2


def test_training_survives_non_finite_rollouts():
    task = Task("poisoned", FunctionPotential(_poisoned), Uniform(0.5, scaled=False), 2)
    component = Learned.create(jax.random.key(0), kind="componentwise", hidden=(4,))
    # Trained to run away: some members meet the poison, some do not.
    bias = jnp.asarray([-3.0, 3.0], jnp.float32)
    wild = eqx.tree_at(lambda o: o.network.biases[-1], component, bias)
    objective = Objective(shortest=6.0, longest=6.0)
    trainer = Trainer(
        NormalizedES(pairs=4, sigma=1.0), objective, (task,), copies=3, chunk=4
    )
    state, info = trainer(trainer.strategy.init(wild, 0))
    assert 0 < info["nonfinite"] <= 1
    assert np.isfinite(info["loss"]) and np.all(np.isfinite(state.theta))


def test_chunks_and_padding_do_not_change_losses():
    task = get("lj5")
    losses = []
    for chunk in (3, 8, 64):
        trainer = Trainer(
            NormalizedES(pairs=5),
            Objective(shortest=3.0, longest=3.0),
            (task,),
            copies=2,
            chunk=chunk,
        )
        state = trainer.strategy.init(LEARNED, 1)
        request = trainer.ask(state)
        rounds = [
            trainer.evaluate(state.template, request, jnp.asarray(i))
            for i in range(len(request.chunks))
        ]
        found = jnp.concatenate([losses for losses, _ in rounds])[:10]
        valid = jnp.concatenate([valid for _, valid in rounds])[:10]
        assert found.shape == (10, 1, 2) and bool(jnp.all(valid))
        losses.append(found)
    # Other shapes may round differently; three steps are too few to part ways.
    for other in losses[1:]:
        np.testing.assert_allclose(losses[0], other, rtol=1e-3)


def test_horizons_cover_their_range_log_uniformly():
    objective = Objective(shortest=100.0, longest=1000.0)
    drawn = jax.vmap(objective.horizon)(jax.random.split(jax.random.key(0), 4000))
    assert drawn.min() >= 100 and drawn.max() <= 1000
    below = float(np.mean(np.asarray(drawn) < 10**2.5))
    assert abs(below - 0.5) < 5 * 0.5 / np.sqrt(4000)


@pytest.mark.parametrize(
    ("build", "named"),
    [
        (lambda: NormalizedES(pairs=0), "pairs"),
        (lambda: NormalizedES(sigma=-1.0), "sigma"),
        (lambda: NormalizedES(clip=0.0), "clip"),
        (lambda: Objective(shortest=0.0), "shortest"),
        (lambda: Objective(final=-1.0), "final"),
        (lambda: Objective(final=0.0, best=0.0), "weights"),
        (lambda: Objective(shortest=9.0, longest=3.0), "shortest"),
        (lambda: Trainer(NormalizedES(), Objective(), ()), "tasks"),
        (lambda: Trainer(NormalizedES(), Objective(), (get("lj5"),), chunk=0), "chunk"),
        (
            lambda: Trainer(NormalizedES(), Objective(), (get("lj5"),), devices=999),
            "devices",
        ),
        (lambda: get("lj-3"), "task"),
        (lambda: get("lj1"), "lj1"),
    ],
)
def test_bad_input_is_named(build, named):
    with pytest.raises(ValueError, match=named):
        build()
