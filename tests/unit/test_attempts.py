"""The cost of a hit: counted as a search counts, and what is trained to lower it."""

import json

import jax
import numpy as np
import pytest

from l2h import methods, tasks, weights
from l2h.engine import Arm, CostOfHit
from l2h.engine.cost_of_hit import Batch, growing
from l2h.engine.crew import Crew
from l2h.inits import Growth
from l2h.io import lock
from l2h.meta import GA, NormalizedES, ravel, unravel
from l2h.optimizers import Learned
from pipelines import attempts

UNTRAINED = Growth.create(jax.random.key(3))
SYMMETRIC = tasks.get("lj13-symmetric")
STEPS = 5


def walking(network, task):
    return Arm("walk", task.init, network, STEPS)


def changed(module, scale=0.2):
    """Return a module with every trainable number changed."""
    params = ravel(module)
    change = jax.random.normal(jax.random.key(0), params.shape, params.dtype)
    return unravel(module, params + scale * change)


@pytest.fixture(scope="module")
def trained():
    """What is trained, the arm of it, and an objective."""
    network = weights.load("lj13")
    some = {"seed": 5, "attempts": 16}
    return {
        "growth": (UNTRAINED, growing, CostOfHit([tasks.get("lj13")], **some)),
        "walk": (network, walking, CostOfHit([SYMMETRIC], arm=walking, **some)),
    }


@pytest.mark.parametrize("kind", ["growth", "walk"])
def test_an_objective_counts_what_a_search_counts(kind, trained):
    first, made, objective = trained[kind]
    module, (task,) = changed(first, 0.4 if kind == "growth" else 0.01), objective.tasks
    batch = objective.batch(module, 0, 3)
    crew, arm = objective.crews[0], made(module, task)
    begun = crew.begin(arm, np.arange(48, 64))
    early = begun.spent.evaluations
    # Of the first evaluation and eight steps; of a core before them, or of a walk.
    assert np.all(early > 9) and np.all(batch.costs >= early)
    if kind == "walk":
        np.testing.assert_array_equal(early, STEPS + 1 + 9)
    finished = np.isfinite(batch.excess)
    assert 0 < finished.sum() < 16 and np.any(batch.costs > early)
    hopeless = begun.expected > task.reference * (1 - 0.02 * float(arm.allowance))
    assert not np.any(finished & hopeless)
    np.testing.assert_array_equal(batch.costs[hopeless], early[hopeless])
    # One by one, as a search finishes them.
    rule = crew.rule.narrowed(arm.allowance)
    for k in np.flatnonzero(finished):
        end = crew.finish(rule, begun, [int(k)], task.reference)[int(k)]
        assert batch.costs[k] == early[k] + int(end.spent.evaluations)
        assert batch.excess[k] == pytest.approx(end.energy - task.reference, abs=1e-4)
    # Other numbers, other attempts; and not those of a search with this seed.
    other = objective.batch(module, 0, 4)
    assert np.any(other.costs != batch.costs)
    search_crew = Crew(task.potential, task.n, crew.rule, 5, jax.local_devices()[:1])
    drawn = search_crew.begin(arm, np.arange(48, 64))
    assert np.any(drawn.expected != begun.expected)


def test_the_loss_is_evaluations_per_hit(trained):
    objective = trained["growth"][2]
    batch = Batch(np.array([10.0, 20.0, 30.0, 40.0]), np.array([0.0, 0.3, np.inf, np.inf]))
    hits = (1 + np.exp(-1)) / 4
    assert objective.loss(batch) == pytest.approx(np.log(25) - np.log(hits + 1e-3))
    nothing = Batch(batch.costs, np.full(4, np.inf))
    assert objective.loss(nothing) == pytest.approx(np.log(25 / 1e-3))


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="^attempts: 0 given"):
        CostOfHit([SYMMETRIC], 0, attempts=0)
    with pytest.raises(ValueError, match="^tasks: no lowest energy of lj2000 is known"):
        CostOfHit([SYMMETRIC, tasks.get("lj2000")], 0)


@pytest.mark.parametrize("kind", ["growth", "walk"])
@pytest.mark.parametrize(
    "strategy", [NormalizedES(pairs=1), GA(members=2, parents=1, elites=1)]
)
def test_meta_strategies_lower_it(strategy, kind, trained):
    first, _, objective = trained[kind]
    before = strategy.init(first, 0)
    after, info = objective.update(strategy, before)
    name = objective.tasks[0].name
    assert int(after.update) == 1 and np.isfinite(info[f"loss/{name}"])
    assert np.any(strategy.ask(after) != strategy.ask(before))
    # Two members, sixteen attempts each.
    assert info["evaluations"] > 2 * 16 * 9 and 0 < info["hits"] < 32


KINDS = {
    "growth": {"tasks": "lj13", "updates": 2, "quick": True},
    "walk": {"tasks": "lj13-symmetric@3,lj7@2", "walk": "lj13@4", "updates": 2},
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_goes_on_to_the_bit_and_its_weights_load(kind, tmp_path, capsys):
    options = {**KINDS[kind], "quick": True}
    with jax.numpy_dtype_promotion("standard"):
        attempts.main(folder=tmp_path / "once", **options)
        for _ in range(2):
            attempts.main(folder=tmp_path / "twice", minutes=1e-9, **options)
    for name in (f"{kind}.l2h", "checkpoint.l2h", "metrics.jsonl"):
        whole, parts = ((tmp_path / run / name).read_bytes() for run in ("once", "twice"))
        assert whole == parts, name
    lines = (tmp_path / "once" / "metrics.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    assert [row["update"] for row in rows] == [1, 2]
    with lock(tmp_path / "once"), pytest.raises(ValueError, match="another process"):
        attempts.main(folder=tmp_path / "once", **options)
    with pytest.raises(ValueError, match="holds a run with other settings"):
        attempts.main(folder=tmp_path / "once", **{**options, "updates": 3})
    path = str(tmp_path / "once" / f"{kind}.l2h")
    found = weights.load(path)
    if kind == "growth":
        assert isinstance(found, Growth) and found.starts.logits.shape == (10,)
        assert weights.trained_on(path) == ("lj13",)
        # It is no optimizer.
        with pytest.raises(ValueError, match="^optimizer: a Growth given"):
            methods.get(path)
    else:
        assert isinstance(found, Learned) and isinstance(methods.get(path), object)
        assert weights.trained_on(path) == ("lj13-symmetric", "lj7")
        # What the weights have cost that it began with counts.
        before = weights.training_evaluations("lj13")
        assert weights.training_evaluations(path) == rows[-1]["evaluations"] > before
        some = rows[0]["evaluations"] - before
        # Two members, sixteen attempts on each of two tasks: a walk and a probation.
        assert some >= 2 * 16 * ((1 + 3 + 9) + (1 + 2 + 9))


def test_a_walk_has_steps_and_growth_has_none(tmp_path):
    for walk in ("lj13", "lj13@0", "lj13@x"):
        with pytest.raises(ValueError, match="^walk: '.*' steps given"):
            attempts.main(folder=tmp_path / "run", tasks="lj13", walk=walk)
    with pytest.raises(ValueError, match="^tasks: lj13@20 given, but growth"):
        attempts.main(folder=tmp_path / "run", tasks="lj13@20,lj14")
    with pytest.raises(ValueError, match="holds no weights; give a run's best.l2h"):
        attempts.main(folder=tmp_path / "run", tasks="lj13", walk="growth@5")
    assert not (tmp_path / "run").exists()
