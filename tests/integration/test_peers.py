"""Other programs' searches: every evaluation counted, absent ones named."""

import json

import jax
import numpy as np
import pytest

from l2h import tasks
from l2h.meta import draw_starts
from pipelines import peers

TASK = tasks.get("lj5")
STARTS = np.asarray(draw_starts(TASK, 3, jax.random.key(0), np.float64))
BUDGET = 2000
EVALUATE = jax.jit(lambda x: TASK.potential.energy_and_gradient(x))


class Evaluations:
    """The task's energy and gradient, counting by itself."""

    def __init__(self) -> None:
        self.made = 0

    def __call__(self, positions):
        self.made += 1
        return EVALUATE(positions)


def counter(target: float) -> tuple[peers.Counter, Evaluations]:
    evaluations = Evaluations()
    return peers.Counter(evaluations, target), evaluations


@pytest.mark.parametrize("name", ["ASE BasinHopping", "SciPy basinhopping"])
def test_searches_end_at_the_first_hit_or_the_budget(name):
    assert TASK.reference is not None
    ledger, evaluations = counter(TASK.reference + tasks.TOLERANCE)
    search = peers.PEERS[name](TASK, ledger)
    hits = []
    for seed, start in enumerate(STARTS):
        before = evaluations.made
        calls, hit = search(start, BUDGET, seed)
        hits.append(hit)
        assert evaluations.made - before == calls
        assert 5 < calls < BUDGET if hit else calls == BUDGET
    # ASE's walks lose atoms to the vacuum, from which some do not return.
    assert any(hits)
    never, evaluations = counter(-np.inf)
    assert peers.PEERS[name](TASK, never)(STARTS[0], 40, 0) == (40, False)
    assert evaluations.made == 40


def test_fire_of_jax_md_counts_whole_descents():
    assert TASK.reference is not None
    ledger, _ = counter(TASK.reference + tasks.TOLERANCE)
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        search = peers.PEERS["jax-md FIRE"](TASK, ledger)
        calls, hit = search(STARTS[0], 10_000, 0)
    assert hit and calls % (peers.FIRE_STEPS + 2) == 0


def test_numbers_of_a_row():
    shown = peers.row("x", np.array([10, 20, 30]), np.array([True, False, True]), 3.0, 60)
    assert shown["hits"] == 2 and shown["runs"] == 3
    assert shown["evaluations_per_hit"][0] == 30.0
    assert shown["evaluations_per_second"] == 20.0
    assert shown["seconds_per_hit"][0] == pytest.approx(1.5)
    low, high = shown["evaluations_per_hit"][1:]
    assert low < 30 < high
    assert "1,500" in peers.table([shown])
    none = peers.row("x", np.array([10]), np.array([False]), 1.0, 10)
    assert "no hit" in peers.table([none])


def test_absent_peers_are_named_and_the_others_run(monkeypatch, capsys, tmp_path):
    def absent(task, counter):
        raise ImportError("No module named 'absent'")

    monkeypatch.setitem(peers.PEERS, "absent", absent)
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
    assert [row["name"] for row in written["rows"]] == ["SciPy basinhopping", "lbfgs"]
    assert len(written["absent"]) == 1
    assert all(row["hits"] == 2 for row in written["rows"])


@pytest.mark.parametrize(
    ("task", "options", "words"),
    [
        ("Au13", {}, "task: Au13"),
        ("lj5", {"starts": 0}, "starts: 0"),
        ("lj5", {"peers": "gmin"}, "gmin"),
        ("lj5", {"optimizers": "sgd"}, "sgd"),
        ("lj5", {"budget": 1}, "budget"),
    ],
)
def test_mistakes_are_answered_before_anything_runs(task, options, words):
    with pytest.raises(ValueError, match=words):
        peers.main(task, **options)
