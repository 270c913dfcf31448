"""Whole searches: what they find, what they count, devices, death and resumption."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from l2h.engine import Arm, Shares, search
from l2h.engine.attempt import Abandonment, begin, finish
from l2h.inits import Harmonic, Uniform
from l2h.optimizers import BasinHopping
from l2h.potentials import AbstractPotential, FunctionPotential, LennardJones
from l2h.spaces import Free
from l2h.tasks import Task

ROOT = Path(__file__).parents[2]
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
        "lj13", evaluations=3000, seed=1, arms=["grown"], devices=1, on_progress=seen.append
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
    until = search("lj13", until="reference", seed=1, arms=["grown"], devices=1)
    assert until.status == "the energy asked for was found"
    first = grown[0].evaluations_to_hit
    assert until.evaluations_to_hit == first and until.evaluations < 1.1 * 3000
    late = search("lj13", minutes=1e-6, seed=1, arms=["grown"], devices=1)
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
    killed = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path), "6"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
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
    space: Free = Free()

    @property
    def scale(self):
        return self.inner.scale

    def __call__(self, positions):
        return self.inner(positions)

    def observe(self, positions):
        jax.debug.callback(lambda _: CALLS.append(1), positions[0, 0])
        return self.inner.observe(positions)


CALLS = []


@pytest.mark.parametrize("arm", [SIMPLE, WALK], ids=["simple", "walk"])
def test_every_evaluation_is_counted(arm):
    # One attempt at a time: in larger batches, those that have ended are computed on.
    potential, rule = Counting(), Abandonment()
    for seed in range(3):
        CALLS.clear()
        keys = jax.random.split(jax.random.key(seed), 1)
        begun = jax.block_until_ready(begin(arm, rule, potential, 13, jnp.float32, keys))
        jax.effects_barrier()
        assert int(begun.evaluations[0]) == len(CALLS) >= arm.steps + 1 + rule.after
        CALLS.clear()
        ended = finish(rule, potential, begun, jnp.asarray(jnp.inf, jnp.float32))
        jax.block_until_ready(ended)
        jax.effects_barrier()
        assert int(ended.evaluations[0]) == len(CALLS) > 0
        assert bool(ended.finished[0])


def test_test_functions_are_searched():
    found = search("rastrigin2", evaluations=5000, arms=["random", "bh-plain"], devices=1)
    assert found.hit and found.lowest < 1e-12
    # The budget holds but for what is under way at the end, and polishing.
    assert found.evaluations < 6000
    walk = search("rastrigin2", evaluations=1100, arms=["bh-plain", "random"], devices=1)
    assert [arm["attempts"] for arm in walk.arms] == [2, 0]


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
