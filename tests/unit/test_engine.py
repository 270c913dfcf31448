"""Arms, abandonment, the bandit and the books of a search; nothing that compiles much."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest
from hypothesis import given, strategies as st
from strategies import random_cluster

from l2h import tasks
from l2h.engine import ARMS, Abandonment, Arm, Shares, search
from l2h.engine.arms import choose, default
from l2h.engine.bandit import Tally
from l2h.engine.ledger import SPARE, Ledger
from l2h.engine.problem import Problem
from l2h.inits import Grown, Harmonic, Spent, Uniform
from l2h.optimizers import LBFGS, Adam, Migration, Shake, Swaps
from l2h.potentials import FunctionPotential, LennardJones
from l2h.spaces import Free
from l2h.tasks import Task

LJ13 = tasks.get("lj13")
observe = jax.jit(LennardJones().observe)


# Abandonment


def state_of(energy, gradient):
    x = jnp.asarray(random_cluster(0, 5))
    state = LBFGS().init(LennardJones(), x, horizon=9, key=jax.random.key(0))
    seen = dataclasses.replace(
        state.observation,
        energy=jnp.asarray(energy),
        gradient=jnp.full((5, 3), gradient),
    )
    return dataclasses.replace(state, observation=seen)


@given(
    st.floats(-100, 100, allow_subnormal=False),
    st.floats(-50, 50),
    st.floats(0, 1000),
    st.floats(1e-3, 1),
)
def test_what_is_already_the_best_is_never_given_up(energy, gradient, gap, window):
    rule, potential = Abandonment(window), LennardJones(1.3, 0.7)
    state = state_of(energy, gradient)
    expected = float(rule.expected(potential, state))
    assert expected <= energy
    assert gradient == 0 or abs(gradient) < 1e-3 or expected < energy
    # Any best that the attempt equals or beats.
    for best in (energy, energy + gap, math.inf):
        for numbers in (jnp, np):
            both = numbers.asarray(expected), numbers.asarray(best)
            assert not bool(rule.hopeless(potential, 5, *both))


def test_hopeless_attempts_are_given_up():
    rule, potential = Abandonment(0.02, 60.0), LennardJones()
    best = jnp.asarray(-100.0)

    def given_up(energy, gradient):
        expected = rule.expected(potential, state_of(energy, gradient))
        on_host = rule.hopeless(potential, 5, np.asarray(expected), np.asarray(best))
        assert bool(on_host) == bool(rule.hopeless(potential, 5, expected, best))
        return bool(on_host)

    assert given_up(-97.9, 0.0)
    assert not given_up(-98.1, 0.0)
    # 15 components of one: 15 / 120 below.
    assert not given_up(-97.9, 1.0)
    assert given_up(math.nan, 0.0)


@pytest.mark.parametrize("zero", [0.0, -10_000.0, 50.0])
@pytest.mark.parametrize("known", [True, False])
def test_where_energies_have_their_zero_says_nothing_of_hope(zero, known):
    rule, unit, n = Abandonment(0.02), 0.4, 13
    separated = zero if known else None
    potential = FunctionPotential(jnp.sum, energy=unit, space=Free(), separated=separated)
    depth = 15.0
    # A crystal's, where it is not known what the atoms would have apart.
    allowed = 0.02 * (depth if known else 8.61 * n * unit)
    best = zero - depth
    for numbers in (np, jnp):
        for above, hopeless in ((0.9 * allowed, False), (1.1 * allowed, True)):
            both = numbers.asarray(best + above), numbers.asarray(best)
            assert bool(rule.hopeless(potential, n, *both)) is hopeless


@pytest.mark.parametrize("name", ["window", "curvature", "after"])
def test_constants_of_abandonment_are_positive(name):
    with pytest.raises(ValueError, match=f"^{name}: 0(.0)? given"):
        Abandonment(**{name: 0})


# Arms


@pytest.mark.parametrize(("walk", "steps"), [(None, 3), (Adam(0.1), 0), (None, -1)])
def test_steps_go_with_a_walk(walk, steps):
    with pytest.raises(ValueError, match=f"^steps: {steps} given with walk"):
        Arm("mine", Uniform(), walk, steps)


@pytest.mark.parametrize("floor", [0.0, 1.0, -0.1])
def test_a_floor_is_a_fraction(floor):
    with pytest.raises(ValueError, match=f"^floor: {floor} given"):
        Arm("mine", Uniform(), floor=floor)


def test_alloys_exchange_atoms_for_half_of_all_evaluations():
    alloy, metal = (
        {arm.name: arm for arm in choose(tasks.get(name), None)}
        for name in ("Ag6Au7", "Au13")
    )
    assert alloy["onward"].floor == 0.5 and metal["onward"].floor is None
    assert isinstance(alloy["onward"].walk.hop, Swaps)
    assert isinstance(metal["onward"].walk.hop, Migration)
    assert isinstance(ARMS["onward"](LJ13).walk.hop, Shake)
    assert alloy["learned"].floor == 0.3 and metal["learned"].floor is None
    # Long walks wait until there is something to begin from.
    assert default(tasks.get("Ag6Au7"))[0] == "learned"


@pytest.mark.parametrize("name", ["lj13", "Au13", "Ag6Au7", "si8", "rastrigin3"])
def test_default_arms_fit_their_task(name):
    task = tasks.get(name)
    arms = choose(task, None)
    assert [arm.name for arm in arms] == list(default(task))
    grows = any(isinstance(arm.init, Grown) for arm in arms)
    assert grows == (name in ("lj13", "Au13"))


def test_cells_that_cannot_be_divided_have_arms_too():
    task = tasks.silicon(10.86 * np.eye(3), 13)
    names = [arm.name for arm in choose(task, None)]
    assert names == ["random", "onward", "bh-strong"]


def test_what_is_static_tells_searches_apart():
    def parameters(*arms, rule=None):
        return Problem.of(LJ13, arms, rule, None, 0).settings()["parameters"]

    known = [
        parameters(Arm("mine", Uniform(), Adam(0.1), 5)),
        parameters(Arm("mine", Uniform(), Adam(0.1), 6)),
        parameters(Arm("mine", Uniform(), Adam(0.1), 5, floor=0.1)),
        parameters(Arm("mine", Harmonic(), Adam(0.1), 5)),
        parameters(Arm("mine", Uniform(), LBFGS(history=3), 5)),
        parameters(Arm("mine", Uniform(), LBFGS(history=4), 5)),
        parameters(Arm("mine", Grown(smallest=4))),
        parameters(Arm("mine", Grown(smallest=5))),
        parameters(Arm("mine", Grown(smallest=5)), rule=Abandonment(after=9)),
    ]
    assert len(set(known)) == len(known)


def test_arms_of_your_own_stand_beside_named_ones():
    mine = Arm("mine", Uniform(), Adam(0.1), 5)
    assert [arm.name for arm in choose(LJ13, [mine, "random"])] == ["mine", "random"]


@pytest.mark.parametrize(
    ("task", "arms", "words"),
    [
        ("lj13", [], "none given; choose from grown"),
        ("lj13", ["best"], "'best' is unknown; choose from grown"),
        ("lj13", ["random", "random"], "names one twice"),
        ("lj13", ["onward", "grown"], "onward begins from minima that others have found"),
        ("si8", ["grown"], "grown cannot grow si8; leave it out"),
        ("rastrigin3", ["grown-quiet"], "grown-quiet cannot grow rastrigin3"),
    ],
)
def test_wrong_arms_are_refused(task, arms, words):
    with pytest.raises(ValueError, match=f"^arms?: .*{words}"):
        search(task, evaluations=10_000, arms=arms)


# Bad input


def lonely(n):
    return Task("lonely", LennardJones(), Uniform(), n)


@pytest.mark.parametrize(
    ("task", "options", "words"),
    [
        (lonely(1), {"evaluations": 99}, "task: lonely has 1 atoms; search at least 2"),
        ("lj1", {"evaluations": 99}, "lj1: a cluster of 1 atoms"),
        ("xy13", {"evaluations": 99}, "task: 'xy13' is unknown"),
        ("lj13", {}, "evaluations, minutes, until: none given"),
        (
            "lj13",
            {"evaluations": 8},
            "evaluations: 8 given, but one attempt of grown takes 9",
        ),
        (
            "lj13",
            {"evaluations": 409, "arms": ["bh-plain"]},
            "evaluations: 409 given, but one attempt of bh-plain takes 410",
        ),
        ("lj13", {"evaluations": -1}, "evaluations: -1 given"),
        ("lj13", {"minutes": 0.0}, "minutes: 0.0 given"),
        ("lj200", {"until": "reference"}, "until: no lowest energy of lj200 is known"),
        ("lj13", {"evaluations": 99, "seed": -1}, "seed: -1 given; take one from 0"),
        ("lj13", {"evaluations": 99, "n": 13}, "n: 13 given, but the task says how many"),
        (LennardJones(), {"evaluations": 99}, "n: not given; a potential alone"),
        (LennardJones(), {"evaluations": 99, "n": 1}, "task: LennardJones has 1 atoms"),
        ("lj13", {"evaluations": 99, "devices": 0}, "devices: 0 asked for, 8 present"),
        ("lj13", {"evaluations": 99, "devices": 9}, "devices: 9 asked for, 8 present"),
    ],
)
def test_wrong_input_is_refused_in_a_sentence(task, options, words):
    with pytest.raises(ValueError) as refused:
        search(task, **options)
    said = str(refused.value)
    assert said.startswith(words) and said.endswith((".", ")."))


def test_only_the_reference_has_a_name():
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        with pytest.raises(ValueError, match="^until: 'found' given; say \"reference\""):
            search("lj13", until="found")
    finally:
        jaxtyping.config.update("jaxtyping_disable", False)


# The bandit


def tally(name, evaluations, finds=0, attempts=None):
    attempts = attempts or max(1, evaluations // 100)
    return Tally(name, 9, attempts, Spent(evaluations, 0), finds=finds)


@given(st.integers(0, 10**7), st.integers(0, 1000), st.booleans())
def test_one_arm_is_always_chosen(evaluations, number, adaptive):
    only = [tally("a", evaluations)]
    assert Shares(adaptive).choose(only, seed=3, number=number) == 0


def play(shares, costs, rates, rounds=1500, seed=0):
    """Share rounds among arms that cost so much a round and find so often."""
    random = np.random.default_rng(seed)
    tallies = [Tally(f"arm{k}", costs[k] // 8) for k in range(len(costs))]
    chosen = []
    for number in range(rounds):
        k = shares.choose(tallies, seed, number)
        chosen.append(k)
        tallies[k].attempts += 8
        tallies[k].spent += Spent(costs[k], 0)
        tallies[k].finds += int(random.random() < rates[k])
    return tallies, chosen


def test_every_arm_has_its_floor():
    shares = Shares(floor=0.05)
    costs = [200, 200, 3000]
    tallies, _ = play(shares, costs, [0.9, 0.0, 0.0])
    spent = np.array([t.spent.evaluations for t in tallies])
    # One attempt may be outstanding, and the round that has just ended.
    assert np.all(spent + 3000 / 8 + 0.05 * 3000 >= 0.05 * spent.sum())
    assert spent[0] > 0.7 * spent.sum()


def test_an_arm_may_have_a_floor_of_its_own():
    tallies = [Tally("a", 100), Tally("b", 100, floor=0.5), Tally("c", 100)]
    for number in range(300):
        chosen = tallies[Shares(floor=0.05).choose(tallies, 0, number)]
        chosen.attempts += 1
        chosen.spent += Spent(100, 0)
        # Whatever the others find.
        chosen.finds += chosen.name == "a"
    attempts = [t.attempts for t in tallies]
    assert 145 <= attempts[1] <= 155 and 14 <= attempts[2] <= 20


def test_a_dear_arm_waits_until_its_floor_pays_for_it():
    tallies = [tally("cheap", 0), Tally("dear", 1000)]
    for total in range(100, 100_000, 700):
        tallies[0] = tally("cheap", total)
        chosen = Shares(floor=0.02).choose(tallies, 0, total)
        assert chosen == int(0.02 * total > 1000)


def test_the_budget_moves_to_what_pays():
    tallies, _ = play(Shares(), [200, 200, 200], [0.01, 0.5, 0.01])
    spent = np.array([t.spent.evaluations for t in tallies])
    assert spent[1] > 0.7 * spent.sum()


def test_fixed_shares_are_equal_shares_of_evaluations():
    costs = [100, 350, 900]
    tallies, _ = play(Shares(adaptive=False), costs, [0.9, 0.0, 0.0])
    spent = np.array([t.spent.evaluations for t in tallies])
    assert spent.max() - spent.min() <= max(costs)


def test_choices_depend_on_tallies_seed_and_number_alone():
    tallies = [tally("a", 9000, 2), tally("b", 8000, 3), tally("c", 9500, 2)]
    choices = [Shares().choose(tallies, 1, number) for number in range(200)]
    assert choices == [Shares().choose(tallies, 1, number) for number in range(200)]
    assert choices != [Shares().choose(tallies, 2, number) for number in range(200)]
    assert set(choices) == {0, 1, 2}


# The books


def books():
    ledger = Ledger(LJ13, [Tally("a"), Tally("b", best=-3.25, finds=2)])
    ledger.rounds, ledger.polishing, ledger.failing = 4, 77, 2
    for k in range(3):
        ledger.attempts += 1
        ledger.spend(ledger.tallies[k % 2], Spent(100 + k, 5))
        x = random_cluster(k, 13) / 3
        energy = -40.0 + k / 3
        ledger.enter(ledger.tallies[0], energy, x, independent=True)
        ledger.set_aside(ledger.tallies[1], -30.0 + k / 7, x + 1 / 3, independent=True)
    return ledger


SETTINGS = {"task": "lj13", "seed": 1, "arms": ["a", "b"], "window": 0.1}


def same(a, b):
    for one, other in zip(a, b, strict=True):
        for field in dataclasses.fields(one):
            np.testing.assert_array_equal(
                getattr(one, field.name), getattr(other, field.name)
            )


def test_books_are_read_as_they_were_written(tmp_path):
    written = books()
    written.write(tmp_path / "x.l2h", SETTINGS)
    read = Ledger.read(tmp_path / "x.l2h", LJ13, SETTINGS)
    for field in ("rounds", "attempts", "spent", "polishing", "failing"):
        assert getattr(read, field) == getattr(written, field)
    assert read.tallies == written.tallies and read.progress == written.progress
    same(read.minima, written.minima)
    same(read.spares, written.spares)
    assert read.best == written.best == -40.0
    # Written again, not a byte differs.
    read.write(tmp_path / "y.l2h", SETTINGS)
    assert (tmp_path / "x.l2h").read_bytes() == (tmp_path / "y.l2h").read_bytes()


def test_empty_books_are_read(tmp_path):
    Ledger(LJ13, [Tally("a")]).write(tmp_path / "x.l2h", SETTINGS)
    read = Ledger.read(tmp_path / "x.l2h", LJ13, SETTINGS)
    assert read.best == math.inf and not read.minima and read.tallies == [Tally("a")]


@pytest.mark.parametrize("name", SETTINGS)
def test_books_of_another_search_are_refused(tmp_path, name):
    books().write(tmp_path / "x.l2h", SETTINGS)
    with pytest.raises(ValueError, match=f"^folder: .* holds a search with {name} = "):
        Ledger.read(tmp_path / "x.l2h", LJ13, SETTINGS | {name: "other"})


@pytest.mark.parametrize("damage", ["cut", "altered", "foreign"])
def test_damaged_books_are_refused(tmp_path, damage):
    path = tmp_path / "x.l2h"
    books().write(path, SETTINGS)
    content = bytearray(path.read_bytes())
    if damage == "cut":
        content = content[:-9]
    elif damage == "altered":
        content[-9] ^= 1
    else:
        content = bytearray(b"not a search\n")
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"x\.l2h"):
        Ledger.read(path, LJ13, SETTINGS)


def test_copies_are_independent():
    ledger = books()
    copy = ledger.copy()
    before = (copy.attempts, len(copy.minima), copy.minima[0].hits, copy.tallies[0].best)
    x = ledger.minima[0].positions
    ledger.enter(ledger.tallies[0], -40.0, x, independent=True)
    ledger.enter(ledger.tallies[0], -50.0, 2 * x, independent=True)
    ledger.attempts += 1
    after = (copy.attempts, len(copy.minima), copy.minima[0].hits, copy.tallies[0].best)
    assert before == after


def test_the_same_minimum_is_entered_once():
    ledger = Ledger(LJ13, [Tally("a")])
    x = random_cluster(0, 13)
    ledger.spent = Spent(10, 0)
    ledger.enter(ledger.tallies[0], -40.0, x, independent=True)
    ledger.spent = Spent(20, 0)
    turned = x[::-1] @ np.array([[0.0, 1, 0], [-1, 0, 0], [0, 0, 1]]) + 5
    ledger.enter(ledger.tallies[0], -40.0 + 1e-7, turned, independent=True)
    (only,) = ledger.minima
    assert only.hits == 2 and only.first_evaluation == 10
    # Another structure of the same energy is another minimum.
    ledger.enter(ledger.tallies[0], -40.0, random_cluster(1, 13), independent=True)
    assert len(ledger.minima) == 2
    assert ledger.tallies[0].finds == 3


def test_finds_start_again_below_the_lowest():
    ledger = Ledger(LJ13, [Tally("a"), Tally("b")])
    a, b = ledger.tallies
    x = random_cluster(0, 13)
    ledger.enter(a, -40.0, x, independent=True)
    ledger.enter(a, -40.0, x, independent=True)
    # Coming back to where one has started is no find.
    ledger.enter(b, -40.0, x, independent=False)
    assert (a.finds, b.finds) == (2, 0)
    ledger.enter(b, -41.0, 1.1 * x, independent=False)
    assert (a.finds, b.finds) == (0, 1)
    ledger.enter(a, -40.0, x, independent=True)
    assert (a.finds, b.finds) == (0, 1)
    assert [energy for _, energy in ledger.progress] == [-40.0, -41.0]


def test_only_the_lowest_are_set_aside():
    ledger = Ledger(LJ13, [Tally("a")])
    x = random_cluster(0, 13)
    energies = np.random.default_rng(0).permutation(np.linspace(-40, -20, 2 * SPARE))
    for energy in energies:
        ledger.set_aside(ledger.tallies[0], energy, x, independent=True)
    kept = [spare.energy for spare in ledger.spares]
    np.testing.assert_allclose(kept, np.sort(energies)[:SPARE])
    ledger.set_aside(ledger.tallies[0], energies.min() + 1e-3, x, independent=True)
    assert ledger.spares[0].hits == 2 and len(ledger.spares) == SPARE


def test_who_found_a_spare_unaided_is_known_though_another_was_first():
    ledger = Ledger(LJ13, [Tally("onward"), Tally("a")])
    x = random_cluster(0, 13)
    ledger.attempts = 1
    ledger.set_aside(ledger.tallies[0], -40.0, x, independent=False)
    assert ledger.spares[0].attempt == -1
    for attempts in (5, 9):
        ledger.attempts = attempts
        ledger.set_aside(ledger.tallies[1], -40.0, x, independent=True)
    (spare,) = ledger.spares
    assert (spare.hits, spare.attempt, spare.arm) == (3, 4, 1)


def test_every_arm_has_a_name_that_is_its_own():
    assert set(ARMS) >= {"grown", "grown-quiet", "random", "bh-plain", "bh-strong"}
    for name in ("grown", "grown-quiet", "random", "bh-plain", "bh-strong", "onward"):
        assert ARMS[name](LJ13).name == name


def test_a_function_of_atoms_is_searched_by_hops():
    task = Task("mine", FunctionPotential(jnp.sum, space=Free()), Uniform(), 4)
    assert "bh-strong" in default(task) and "grown" not in default(task)
