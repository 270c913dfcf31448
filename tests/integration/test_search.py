"""Whole searches: what they find, what they count, devices, death and resumption."""

import signal
import sys

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from commands import run
from searches import calculate

from l2h.engine import Abandonment, Arm, Shares, search
from l2h.engine.attempt import finish, probation, start
from l2h.engine.crew import Crew
from l2h.engine.room import Room
from l2h.inits import Grown, Harmonic, Uniform
from l2h.lattice import law
from l2h.lattice.law import PairLaw
from l2h.optimizers import BasinHopping
from l2h.potentials import (
    AbstractPotential,
    Callback,
    FunctionPotential,
    LennardJones,
    potential_with,
)
from l2h.spaces import AbstractSpace, Free
from l2h.tasks import Task

# Cheap to compile: no growth.
SIMPLE = Arm("simple", Harmonic())
WALK = Arm("walk", Harmonic(), BasinHopping.plain(), 60)


def equal(one, other, *, spent=True):
    """Assert that two searches have found the same, to the bit."""
    np.testing.assert_array_equal(one.energies, other.energies)
    np.testing.assert_array_equal(one.positions, other.positions)
    np.testing.assert_array_equal(one.hits, other.hits)
    np.testing.assert_array_equal(one.first_evaluation, other.first_evaluation)
    if spent:
        assert one.counts == other.counts and one.arms == other.arms
        np.testing.assert_array_equal(one.progress, other.progress)
        assert one.status == other.status


@pytest.fixture(scope="module")
def grown():
    seen = []
    found = search(
        "lj8", evaluations=3000, seed=1, arms=["grown"], devices=1, on_progress=seen.append
    )
    return found, seen


def test_a_search_finds_the_lowest_minimum(grown):
    found, _ = grown
    assert found.hit and found.status == "the budget of 3,000 evaluations is spent"
    np.testing.assert_allclose(found.lowest, found.task.reference, atol=1e-5)
    assert len(found.energies) > 1 and np.all(np.diff(found.energies) >= 0)
    for energy, x in zip(found.energies, found.positions, strict=True):
        seen = found.task.potential.observe(jnp.asarray(x))
        np.testing.assert_allclose(energy, seen.energy, rtol=1e-12)
    # What is shown first was polished.
    gradient = found.task.potential.observe(jnp.asarray(found.positions[0])).gradient
    assert np.abs(np.asarray(gradient)).max() < 1e-5


def test_what_is_reported_adds_up(grown):
    found, seen = grown
    (arm,) = found.arms
    assert arm["name"] == "grown" and arm["failed"] == 0
    assert arm["attempts"] == found.counts["attempts"]
    assert arm["hits"] > 1 and arm["best"] == pytest.approx(found.lowest, abs=1e-5)
    assert 3000 <= found.evaluations == found.counts["evaluations"]
    # All but the polishing at the end, for which a tenth was allowed.
    assert 3000 <= arm["evaluations"] <= found.evaluations <= 1.15 * arm["evaluations"]
    assert 0 < found.counts["polishing"] < found.evaluations
    assert found.counts["site probes"] > 0
    assert np.all(found.first_evaluation <= found.evaluations)
    assert np.all(np.diff(found.progress[:, 0]) >= 0)
    assert np.all(np.diff(found.progress[:, 1]) <= 0)
    counts = [p.evaluations for p in seen]
    assert counts == sorted(counts) and counts[-1] == arm["evaluations"]
    assert seen[-1].attempts == arm["attempts"] and seen[-1].arm == "grown"


def test_a_search_ends_where_it_is_told_to(grown):
    until = search("lj8", until="reference", seed=1, arms=["grown"], devices=1)
    assert until.status == "the energy asked for was found"
    first = grown[0].evaluations_to_hit
    assert until.evaluations_to_hit == first and until.evaluations < 1.1 * 3000
    late = search("lj8", minutes=1e-6, seed=1, arms=["grown"], devices=1)
    assert late.status == "the time of 1e-06 minutes is over"


def simple(*others, **options):
    return search("lj13", evaluations=4000, arms=[SIMPLE, *others], seed=3, **options)


def test_devices_change_nothing():
    alone = simple(devices=1)
    assert alone.counts["attempts"] > 48
    for devices in (2, 8):
        equal(alone, simple(devices=devices))


SCRIPT = """
import os, signal, sys
import jax
jax.config.update("jax_platforms", "cpu")
jax.config.update("jax_enable_x64", True)
import l2h.engine
from l2h.engine import Arm, Shares, search
from l2h.inits import Harmonic, Uniform
sys.modules["l2h.engine.search"].PAUSE = 0.0
calls = []
def die(progress):
    calls.append(progress)
    if len(calls) == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
search("lj13", evaluations=4000, arms=[Arm("simple", Harmonic())], seed=3, devices=1,
       folder=sys.argv[1], on_progress=die)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no such signal")
def test_a_killed_search_ends_as_if_it_had_not_been(tmp_path):
    # In the middle of the third round, of three to eight groups.
    killed = run(tmp_path, 6, code=SCRIPT)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert (tmp_path / "search.l2h").exists()
    started = []
    resumed = simple(devices=1, folder=tmp_path, on_progress=started.append)
    assert started[0].attempts > 8
    equal(resumed, simple(devices=1))
    # Once more: the last round is repeated, and ends in the same way.
    equal(simple(devices=1, folder=tmp_path), resumed)


def test_an_interrupted_search_ends_with_what_it_has_and_goes_on(tmp_path):
    # In the middle of a round, and not at once.
    ends = {8, 16, 32, 64, 96, 128, 160}

    def interrupt(progress):
        if progress.attempts > 16 and progress.attempts not in ends:
            raise KeyboardInterrupt

    # Taking turns: half a round more or less would change whose turn is next.
    def run(**options):
        turns = Shares(adaptive=False)
        return simple(Arm("other", Uniform()), shares=turns, devices=1, **options)

    part = run(folder=tmp_path, on_progress=interrupt)
    assert part.status == "it was interrupted" and len(part.energies) > 0
    whole = run()
    assert part.evaluations < whole.evaluations
    equal(run(folder=tmp_path), whole)


def test_a_folder_belongs_to_one_search(tmp_path):
    search("lj13", evaluations=60, arms=[SIMPLE], seed=3, folder=tmp_path)
    for options, words in [
        ({"seed": 4}, "seed = 3, but 4 is asked for"),
        ({"task": LennardJones(2.0), "n": 13}, "task = lj13"),
        ({"rule": Abandonment(0.05)}, "parameters"),
        ({"arms": ["random"]}, "arms"),
    ]:
        call = {"task": "lj13", "seed": 3, "arms": [SIMPLE]} | options
        with pytest.raises(ValueError, match=f"^folder: .*{words}"):
            search(evaluations=60, folder=tmp_path, **call)


class Counting(AbstractPotential):
    """Lennard-Jones whose evaluations are counted on the host."""

    inner: LennardJones = LennardJones()
    space: AbstractSpace = Free()
    repaired: bool = eqx.field(static=True, default=False)

    @property
    def scale(self):
        return self.inner.scale

    def __call__(self, positions):
        return self.inner(positions)

    def observe(self, positions):
        TRACES.append(1)
        jax.debug.callback(lambda _: CALLS.append(1), positions[0, 0])
        return potential_with(self.inner, self.space).observe(positions)


CALLS, TRACES = [], []


@law.register
def _(potential: Counting):
    return PairLaw(potential.inner) if potential.repaired else None


@pytest.mark.parametrize(
    ("arm", "repaired"),
    [(SIMPLE, False), (WALK, False), (SIMPLE, True)],
    ids=["simple", "walk", "repaired"],
)
def test_every_evaluation_is_counted(arm, repaired):
    # One attempt at a time: in larger batches, those that have ended are computed on.
    potential, rule = Counting(repaired=repaired), Abandonment()
    walk = None if arm.walk is None else (arm.walk, arm.steps)
    for seed in range(3):
        CALLS.clear()
        keys = jax.random.split(jax.random.key(seed), 1)
        drawn = start(arm.init, walk, potential, 13, jnp.float32, keys)
        begun = jax.block_until_ready(probation(rule, potential, drawn))
        jax.effects_barrier()
        assert int(begun.spent.evaluations[0]) == len(CALLS) >= arm.least(rule)
        CALLS.clear()
        ended = finish(rule, potential, begun, jnp.asarray(jnp.inf, jnp.float32))
        jax.block_until_ready(ended)
        jax.effects_barrier()
        # The repair that finds nothing to exchange evaluates nothing.
        assert int(ended.spent.evaluations[0]) == len(CALLS) > 0
        assert bool(ended.finished[0])
        assert (int(ended.spent.probes[0]) > 0) == repaired


def calculator(factor):
    def scaled(x):
        energy, gradient = calculate(x)
        return factor * energy, factor * gradient

    return Callback(scaled, length=1.0, energy=1.0)


def test_a_calculator_is_called_once_an_evaluation(tmp_path):
    potential = calculator(1.0)
    options = {"evaluations": 300, "arms": ["random"], "devices": 1, "folder": tmp_path}
    found = search(potential, 5, **options)
    np.testing.assert_allclose(found.lowest, -9.103852, atol=1e-5)
    assert potential.calls.made == found.evaluations
    assert found.counts["attempts"] > 4
    # Nothing but its energies tells another calculator from this one.
    with pytest.raises(ValueError, match=r"^folder: .* gives -9\.19"):
        search(calculator(1.01), 5, **options)


def test_sizes_share_their_programs():
    potential, rule = Counting(repaired=True), Abandonment()
    counts, arm = [], Arm("grown", Grown())
    # However the rule was come by.
    rules = rule, rule.narrowed(0.5), jax.device_get(rule), jax.device_get(rule)
    for n, asked in zip((13, 14, 9, 16), rules, strict=True):
        crew = Crew(potential, n, rule, 0, jax.local_devices()[:1])
        assert crew.room.rows == 16
        begun = crew.begin(arm, np.arange(3))
        ends = crew.finish(asked, begun, [0, 2], np.inf)
        relaxed = crew.polish([end.positions for end in ends.values()], 1e-6)
        counts.append(len(TRACES))
        for end, fine in zip(ends.values(), relaxed, strict=True):
            assert end.positions.shape == fine.positions.shape == (n, 3)
            seen = LennardJones().observe(jnp.asarray(fine.positions))
            np.testing.assert_allclose(fine.energy, seen.energy, rtol=1e-12)
            assert np.abs(np.asarray(seen.gradient)).max() < 1e-4
            assert fine.energy < end.energy + 1e-4
    assert len(set(counts)) == 1


def test_a_first_round_is_compiled_at_once(caplog):
    rule, arm = Abandonment(after=3), Arm("simple", Harmonic())
    crew = Crew(Counting(repaired=True), 6, rule, 0, jax.local_devices()[:1])
    crew.compile_ahead(arm, jax.device_get(rule))
    before = len(TRACES)
    with jax.log_compiles():
        begun = crew.begin(arm, np.arange(2))
        ends = crew.finish(rule.narrowed(0.5), begun, [0, 1], np.inf)
        crew.polish([end.positions for end in ends.values()], 1e-3)
    for name in ("start", "probation", "finish", "polish"):
        assert f"compilation of jit({name})" not in caplog.text
    assert len(TRACES) == before and len(crew.compiling) == 4
    for program in crew.compiling:
        assert program.result() is not None


def test_absent_atoms_change_no_attempt():
    potential, rule = LennardJones(), Abandonment()
    room = Room.of(potential, 13)
    keys = jax.random.split(jax.random.key(0), 4)
    starts = [
        start(Harmonic(), None, potential, 13, jnp.float64, keys, None, rows)
        for rows in (13, room.rows)
    ]
    best = jnp.asarray(jnp.inf)
    alone, roomy = (
        finish(rule, p, probation(rule, p, drawn), best, (1e-6, 1e-6))
        for p, drawn in zip((potential, room.potential), starts, strict=True)
    )
    np.testing.assert_allclose(alone.energy, roomy.energy, rtol=1e-9)
    np.testing.assert_array_equal(alone.repairs, roomy.repairs)
    np.testing.assert_array_equal(alone.spent.probes, roomy.spent.probes)
    # Rounding grows along a quench to 1e-6, and changes its length by a few per cent, up or
    # down; more rows do not.
    cost, other = (np.asarray(x.spent.evaluations) for x in (alone, roomy))
    assert np.all(np.abs(cost - other) <= 0.1 * cost)


def test_test_functions_are_searched():
    # By default, quenches from anywhere come first: hops cannot leave a well of it.
    found = search("rastrigin2", evaluations=5000, devices=1)
    assert [arm["name"] for arm in found.arms] == ["random", "bh-plain"]
    assert found.hit and found.lowest < 1e-12
    # The budget holds but for what is under way at the end, and polishing.
    assert found.evaluations < 6000
    walk = search("rastrigin2", evaluations=1100, arms=["bh-plain", "random"], devices=1)
    assert [arm["attempts"] for arm in walk.arms] == [3, 0]


def test_crystals_are_searched():
    found = search("si8", evaluations=1500, arms=["random"], devices=1)
    assert len(found.energies) > 1 and found.counts["site probes"] == 0
    seen = found.task.potential.observe(jnp.asarray(found.positions[0]))
    np.testing.assert_allclose(found.lowest, seen.energy, rtol=1e-12)


def morse(x):
    """Return the energy of a cluster with pair energy (e^(3 - 3r) - 1)^2 - 1."""
    difference = x[:, None] - x[None]
    squared = jnp.sum(difference**2, axis=-1) + jnp.eye(len(x), dtype=x.dtype)
    well = (jnp.exp(3 - 3 * jnp.sqrt(squared)) - 1) ** 2 - 1
    return 0.5 * jnp.sum(well * (1 - jnp.eye(len(x), dtype=x.dtype)))


def test_functions_of_atoms_are_searched():
    potential = FunctionPotential(morse, space=Free())
    found = search(potential, 5, evaluations=1500, arms=["random"], devices=1)
    np.testing.assert_allclose(found.lowest, -9.29950, atol=1e-4)


def test_attempts_that_fail_end_the_search_with_what_was_found():
    # Energies end where the cluster becomes as low as its minimum nearly is.
    def failing(x):
        energy = morse(x)
        return jnp.where(energy < FAIL[0], jnp.nan, energy)

    task = Task("mine", FunctionPotential(failing, space=Free()), Harmonic(), 5)
    for limit, found_anything in ((-8.0, False), (-100.0, True)):
        FAIL[0] = limit
        jax.clear_caches()
        found = search(task, evaluations=600, arms=["random"], devices=1)
        assert ("not finite" in found.status) != found_anything
        assert (len(found.energies) > 0) == found_anything
        (arm,) = found.arms
        assert (arm["failed"] >= 3) != found_anything
        assert found.evaluations > 0


FAIL = [0.0]
