"""Other programs' searches: every evaluation counted, absent ones named."""

import dataclasses
import json

import jax
import numpy as np
import pytest

import l2h
from l2h import methods, tasks
from l2h.domains import Domain
from l2h.evaluation import Trials, evaluate
from l2h.report.peers import peers_table
from pipelines import peers, rivals

TASK = tasks.get("lj5")
STARTS = np.asarray(TASK.draw(0, Domain.TEST, range(3), np.float64).positions)
BUDGET = 2000
EVALUATE = jax.jit(lambda x: TASK.potential.energy_and_gradient(x))


def energy_of(positions):
    return EVALUATE(positions)[0]


class Evaluations:
    """The task's energy and gradient, counting by itself."""

    def __init__(self) -> None:
        self.made = 0

    def __call__(self, positions):
        self.made += 1
        return EVALUATE(positions)


def watched(monkeypatch) -> Evaluations:
    """Return what every counter made from now on asks."""
    evaluations, make = Evaluations(), rivals.Counter
    monkeypatch.setattr(rivals, "Counter", lambda task: make(task, evaluations))
    return evaluations


@pytest.mark.parametrize("name", ["ASE BasinHopping", "SciPy basinhopping"])
def test_searches_end_at_the_first_hit_or_the_budget(name, monkeypatch):
    evaluations = watched(monkeypatch)
    search = rivals.RIVALS[name](TASK, 0)
    hits = []
    for number, start in enumerate(STARTS):
        before = evaluations.made
        found = search(start, BUDGET, number)
        hits.append(bool(TASK.is_hit(found.energy)))
        assert evaluations.made - before == found.evaluations
        assert 5 < found.evaluations < BUDGET if hits[-1] else found.evaluations == BUDGET
        assert float(energy_of(found.positions)) == pytest.approx(found.energy)
    # ASE's walks lose atoms to the vacuum, from which some do not return.
    assert any(hits)
    hopeless = dataclasses.replace(TASK, reference=-1e9)
    before = evaluations.made
    assert rivals.RIVALS[name](hopeless, 0)(STARTS[0], 40, 0).evaluations == 40
    assert evaluations.made - before == 40


def test_fire_of_jax_md_is_quenched_and_charged_for_it():
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        search = rivals.RIVALS["jax-md FIRE"](TASK, 0)
        found = search(STARTS[0], 10_000, 0)
        # Far above any descent: every attempt is quenched, and its quench charged.
        deeper = dataclasses.replace(TASK, reference=TASK.reference - 1.0)
        charged = rivals.RIVALS["jax-md FIRE"](deeper, 0)(STARTS[0], 1, 0)
    assert TASK.is_hit(found.energy)
    assert float(energy_of(found.positions)) == pytest.approx(found.energy)
    assert charged.evaluations > rivals.FIRE_STEPS + 2
    gradient = EVALUATE(charged.positions)[1]
    assert np.sqrt(np.mean(np.square(gradient))) < 1e-6


def test_the_engine_is_charged_for_all_that_it_spends():
    search = rivals.RIVALS["grown"](TASK, 0)
    found = search(STARTS[0], BUDGET, 3)
    alone = l2h.search(
        TASK, evaluations=BUDGET, until="reference", seed=3, arms=["grown"], devices=1
    )
    assert found.evaluations == alone.evaluations_to_hit > 9
    assert TASK.is_hit(found.energy)
    assert float(energy_of(found.positions)) == pytest.approx(found.energy)
    hopeless = dataclasses.replace(TASK, reference=-1e9)
    missed = rivals.RIVALS["grown"](hopeless, 0)(STARTS[0], BUDGET, 3)
    assert missed.evaluations >= BUDGET and missed.energy > -10


def test_anneal_ends_at_its_hit_or_its_budget(monkeypatch):
    pytest.importorskip("anneal")
    evaluations = watched(monkeypatch)
    found = rivals.RIVALS["anneal"](TASK, 0)(STARTS[0], BUDGET, 0)
    assert TASK.is_hit(found.energy) and 5 < found.evaluations == evaluations.made < BUDGET
    hopeless = dataclasses.replace(TASK, reference=-1e9)
    before = evaluations.made
    missed = rivals.RIVALS["anneal"](hopeless, 0)(STARTS[0], 200, 0)
    assert missed.evaluations == evaluations.made - before <= 200


def test_all_begin_at_the_same_starts(monkeypatch):
    seen = []

    def spy(task, seed):
        return lambda start, budget, number: (
            seen.append(start) or rivals.Found(0.0, start, 1)
        )

    monkeypatch.setitem(rivals.RIVALS, "spy", spy)
    theirs = rivals.run("spy", TASK, 3, 10, seed=7)
    ours = evaluate(methods.get("adam"), TASK, range(3), budget=10, seed=7, looks=2)
    for start, energy in zip(seen[1:], ours.seen[:, 0], strict=True):
        assert float(energy_of(start)) == pytest.approx(energy, rel=1e-5)
    # To the bit: what ours cast to single precision is what theirs begin with.
    np.testing.assert_array_equal(
        np.stack(seen[1:]), TASK.draw(7, Domain.TEST, range(3), np.float32).positions
    )
    assert theirs.starts == 3 and theirs.method == "spy"


def test_numbers_of_a_row():
    def counted(energies, evaluations, seconds):
        return Trials.counted(
            TASK,
            "x",
            100,
            energies=np.array(energies),
            positions=np.zeros((len(energies), 5, 3)),
            evaluations=np.array(evaluations),
            seconds=seconds,
        )

    at = TASK.reference
    shown = counted([at, at + 1, at], [10, 20, 30], 3.0)
    assert shown.to_first_hit.value == 30.0 and shown.seconds_per_evaluation == 0.05
    row = peers_table([shown]).splitlines()[1]
    assert "2/3" in row and "1,500" in row and " 20 " in row
    assert "no hit" in peers_table([counted([at + 1], [10], 1.0)])


def test_absent_peers_are_named_and_the_others_run(monkeypatch, capsys, tmp_path):
    def absent(task, seed):
        raise ImportError("No module named 'absent'")

    monkeypatch.setitem(rivals.RIVALS, "absent", absent)
    path = tmp_path / "peers.json"
    peers.main(
        "lj5",
        optimizers="lbfgs",
        peers="absent,SciPy basinhopping",
        starts=2,
        budget=500,
        output=path,
    )
    assert "absent: absent (No module named 'absent')" in capsys.readouterr().out
    written = json.loads(path.read_text())
    assert [row["optimizer"] for row in written["rows"]] == ["SciPy basinhopping", "lbfgs"]
    assert len(written["absent"]) == 1
    assert all(row["hits"] == 2 for row in written["rows"])


@pytest.mark.parametrize(
    ("task", "options", "words"),
    [
        ("Au13", {}, "task: Au13"),
        ("lj13-grown", {}, "task: lj13-grown given, whose starts cost"),
        ("lj5", {"starts": 0}, "starts: 0"),
        ("lj5", {"peers": "gmin"}, "gmin"),
        ("lj5", {"optimizers": "sgd"}, "sgd"),
        ("lj5", {"budget": 1}, "budget"),
    ],
)
def test_mistakes_are_answered_before_anything_runs(task, options, words):
    with pytest.raises(ValueError, match=words):
        peers.main(task, **options)
