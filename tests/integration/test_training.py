"""Training runs as a whole: resuming, damage, several devices."""

import dataclasses
import json
import re
import shutil
import time
from pathlib import Path

import equinox as eqx
import jax
import numpy as np
import pytest
from searches import paid

from l2h import tasks, weights
from l2h.io import read_metadata
from l2h.meta import count
from l2h.optimizers import OPTIMIZERS, BasinHopping, Learned, Relay
from l2h.tasks.registry import Names
from l2h.training import RunFolder, TrainingConfig, check, loop, pieces, train

CONFIG = TrainingConfig.for_tasks(
    ["lj5"],
    hidden=(4,),
    updates=7,
    pairs=4,
    starts_per_task=2,
    # One member each: eight chunks, as many as devices.
    chunk=1,
    shortest=4,
    longest=9,
    validate_every=3,
    validation_starts=4,
    checkpoint_every=2,
)


QUICK = {"starts_per_task": 1, "validate_every": 2, "validation_starts": 2}


def run(folder: RunFolder, config: TrainingConfig, stop: int | None = None, **options):
    """Train until the generator has yielded `stop` rows, then abandon it as a kill does."""
    for made, _ in enumerate(train(config, folder, **options), start=1):
        if made == stop:
            return


@pytest.fixture(scope="module")
def straight(tmp_path_factory) -> RunFolder:
    folder = RunFolder.create(tmp_path_factory.mktemp("straight") / "run", CONFIG)
    run(folder, CONFIG)
    return folder


def same_files(a: RunFolder, b: RunFolder) -> None:
    assert a.metrics.read_bytes() == b.metrics.read_bytes()
    assert a.checkpoint.read_bytes() == b.checkpoint.read_bytes()
    assert a.best.read_bytes() == b.best.read_bytes()


def test_every_update_has_one_row(straight):
    rows = straight.rows()
    assert [row["update"] for row in rows] == list(range(1, CONFIG.updates + 1))
    assert all(np.isfinite(row["loss"]) for row in rows)
    assert not any("second" in key or "time" in key for row in rows for key in row)
    horizons = [row["horizon"] for row in rows]
    assert min(horizons) >= CONFIG.shortest and max(horizons) <= CONFIG.longest
    spent = np.cumsum([8 * 2 * (horizon + 1) for horizon in horizons])
    # Validations count as well: 4 starts at horizons of 1, 3 and 9, and their quenches.
    extra = np.array([row["evaluations"] for row in rows]) - spent
    assert extra[:2].tolist() == [0, 0] and extra[2] > 4 * (2 + 4 + 10)
    assert np.all(np.diff(extra)[[2, 3]] == 0) and extra[5] > 1.5 * extra[2]


def test_every_column_is_described(straight):
    docs = Path(__file__).parents[2] / "docs"
    cells = [
        line.split("|")[1]
        for page in ("training.md", "strategies.md")
        for line in (docs / page).read_text().splitlines()
        if line.startswith("|")
    ]
    described = set(re.findall("`([^`]+)`", " ".join(cells)))
    written = {column.replace("lj5", "TASK") for row in straight.rows() for column in row}
    assert len(written) > 20 and not written - described


def test_what_weights_to_begin_with_have_cost_counts(straight, tmp_path):
    config = dataclasses.replace(CONFIG, warm_start="elsewhere")
    folder = RunFolder.create(tmp_path / "run", config)
    folder.save_start(straight.best_optimizer(CONFIG), 1_000_000)
    run(folder, config, stop=1)
    (row,) = folder.rows()
    assert row["evaluations"] == 1_000_000 + 8 * 2 * (row["horizon"] + 1)


def test_what_starts_cost_counts(tmp_path, monkeypatch):
    task = paid(tasks.get("lj5"), 7)
    config = dataclasses.replace(CONFIG, tasks=("paid5",))
    monkeypatch.setitem(tasks.TASKS, "paid5", Names(lambda: task, "paid5"))
    folder = RunFolder.create(tmp_path / "run", config)
    run(folder, config, stop=2)
    rows = folder.rows()
    spent = np.cumsum([8 * 2 * (row["horizon"] + 1) + 2 * 7 for row in rows])
    assert [row["evaluations"] for row in rows] == spent.tolist()


@pytest.mark.parametrize(
    ("scores", "kept"),
    [
        # All succeed from the first on; later ones cost less, and then as much.
        ([(5.0, -1.0, -3.0), (4.5, -1.0, -3.0), (4.5, -1.0, -3.0)], 7),
        ([(5.0, -1.0, -3.0), (4.5, -1.0, -3.0), (4.6, -1.0, -4.0)], 6),
        # Nothing finite was found at first; JSON knows no infinity.
        ([(5.0, 0.0, np.inf), (5.0, 0.0, -3.0), (6.0, 0.0, -9.0)], 6),
    ],
)
def test_the_best_and_of_equals_the_latest_network_is_kept(
    tmp_path, monkeypatch, scores, kept
):
    given = iter(scores)

    class Fixed:
        def __init__(self, *_):
            self.score, self.evaluations = np.asarray(next(given)), 1

        def row(self):
            return {"validation/success": 1.0}

    monkeypatch.setattr(loop, "validate", Fixed)
    folder = RunFolder.create(tmp_path / "run", CONFIG)
    candidates = {}
    for row in train(CONFIG, folder):
        if row.get("validation/kept"):
            candidates[row["update"]] = folder.best.read_bytes()
    assert list(candidates)[-1] == kept
    assert folder.best.read_bytes() == candidates[kept]


def test_validations_say_in_metrics_what_they_found(straight):
    for row in straight.rows():
        assert ("validation/score" in row) == (row["update"] in (3, 6, 7))
    kept = [row["update"] for row in straight.rows() if row.get("validation/kept")]
    assert kept and read_metadata(straight.best)["metrics"]["update"] == kept[-1]


@pytest.mark.parametrize("stop", [1, 3, 6])
def test_abandoned_and_resumed_equals_straight(straight, tmp_path, stop):
    folder = RunFolder.create(tmp_path / "run", CONFIG)
    run(folder, CONFIG, stop=stop)
    # A kill in the middle of a line leaves half a row behind.
    with folder.metrics.open("a") as file:
        file.write('{"update": 99, "lo')
    again, config = RunFolder.open(folder.path)
    assert config == CONFIG
    run(again, config)
    same_files(again, straight)


@pytest.mark.parametrize("devices", [2, 8])
def test_number_of_devices_does_not_matter(straight, tmp_path, devices):
    folder = RunFolder.create(tmp_path / "run", CONFIG)
    run(folder, CONFIG, stop=4, devices=devices)
    run(folder, CONFIG, devices=1)
    same_files(folder, straight)


def test_another_seed_gives_other_numbers(straight, tmp_path):
    config = dataclasses.replace(CONFIG, seed=1)
    folder = RunFolder.create(tmp_path / "run", config)
    run(folder, config, stop=2)
    first = [row["loss"] for row in straight.rows()[:2]]
    assert [row["loss"] for row in folder.rows()] != first


def test_damaged_checkpoint_is_refused_and_kept(straight, tmp_path):
    folder = RunFolder.create(tmp_path / "run", CONFIG)
    content = straight.checkpoint.read_bytes()
    for damaged in (content[:-7], content[:50], b"something else entirely"):
        folder.checkpoint.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"checkpoint\.l2h"):
            run(folder, CONFIG)
        assert folder.checkpoint.read_bytes() == damaged


def test_checkpoint_of_another_network_is_refused(straight, tmp_path):
    config = dataclasses.replace(CONFIG, hidden=(5,))
    folder = RunFolder.create(tmp_path / "run", config)
    folder.checkpoint.write_bytes(straight.checkpoint.read_bytes())
    with pytest.raises(ValueError, match="shape"):
        run(folder, config)


def test_deadlines_only_stop(straight, tmp_path):
    folder = RunFolder.create(tmp_path / "run", CONFIG)
    run(folder, CONFIG, deadline=time.monotonic() - 1.0)
    assert len(folder.rows()) == 1
    run(folder, CONFIG)
    same_files(folder, straight)
    with pytest.raises(ValueError, match="minutes"):
        check(CONFIG, 0.0, 1)


def test_time_is_left_for_the_examination():
    pace = loop._Pace(started=100.0, deadline=200.0, examination=1000)
    # A quarter, as long as nothing is known.
    assert not pace.late(174.0) and pace.late(176.0)
    pace.validation, pace.rate = 2.0, 0.03
    assert not pace.late(167.0) and pace.late(169.0)
    # Never more than half.
    pace.rate = 1.0
    assert not pace.late(147.0) and pace.late(149.0)
    assert not loop._Pace(100.0, 200.0, 0).late(199.0)
    assert not loop._Pace(100.0, None, 1000).late(1e9)


def test_occupied_folder_is_refused(straight):
    before = straight.config.read_bytes()
    with pytest.raises(ValueError, match="not empty"):
        RunFolder.create(straight.path, dataclasses.replace(CONFIG, seed=9))
    assert straight.config.read_bytes() == before


def test_unwritable_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ValueError, match="cannot be written"):
        RunFolder.create(tmp_path / "file" / "run", CONFIG)


def test_settings_round_trip(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text(CONFIG.to_toml())
    assert TrainingConfig.read(path) == CONFIG


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("pears = 3", "pears"),
        ("pairs = 'many'", "pairs"),
        ("pairs = 0", "pairs"),
        ("pairs = true", "pairs"),
        ("tasks = 3", "tasks"),
        ("tasks = ['lj13', 'lj13']", "lj13"),
        ("tasks = ['gold']", "gold"),
        ("tasks = ['lj0']", "lj0"),
        ("preset = 'best'", "preset"),
        ("shortest = 900", "shortest"),
        ("sigma = -0.1", "sigma"),
        ("sigma = ", "config"),
    ],
)
def test_bad_settings_are_named(tmp_path, text, named):
    path = tmp_path / "config.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=named):
        pieces.trainer(TrainingConfig.read(path))


def test_weight_card_can_rebuild_the_settings(straight):
    card = read_metadata(straight.best)
    assert card["config"] == CONFIG.to_toml()
    assert json.loads(json.dumps(card)) == card
    optimizer = straight.best_optimizer(CONFIG)
    assert np.any(np.asarray(optimizer.network.weights[-1]) != 0)


def finished(straight, tmp_path) -> RunFolder:
    """Return a copy of the finished run."""
    shutil.copytree(straight.path, tmp_path / "copy")
    return RunFolder(tmp_path / "copy")


def test_damaged_metrics_are_refused_and_kept(straight, tmp_path):
    folder = finished(straight, tmp_path)
    lines = folder.metrics.read_text().splitlines(keepends=True)
    for damaged in (
        [*lines[:3], lines[3][:20] + "\n", *lines[4:]],  # half a row
        [*lines[:3], "{}\n", *lines[4:]],
        [*lines[:3], "[1]\n", *lines[4:]],
        [*lines[:3], *lines[4:]],  # a row less
        [*lines[:3], lines[4], lines[3], *lines[5:]],
        lines[:3],
        [],
    ):
        folder.metrics.write_text("".join(damaged))
        with pytest.raises(ValueError, match=r"metrics\.jsonl: .*put back the whole file"):
            run(folder, CONFIG)
        assert folder.metrics.read_text() == "".join(damaged)
    folder.metrics.unlink()
    with pytest.raises(ValueError, match=r"metrics\.jsonl: has 0 of the 7 updates"):
        run(folder, CONFIG)


@pytest.mark.parametrize(
    "change", [{"seed": 1}, {"learning_rate": 0.1}, {"tasks": ("lj4",)}, {"clip": 1.0}]
)
def test_files_of_another_run_are_refused_and_nothing_is_lost(straight, tmp_path, change):
    config = dataclasses.replace(CONFIG, **change)
    folder = RunFolder.create(tmp_path / "run", config)
    for name in ("checkpoint.l2h", "metrics.jsonl", "best.l2h"):
        shutil.copy(straight.path / name, folder.path)
    before = folder.metrics.read_bytes()
    with pytest.raises(ValueError, match=r"checkpoint\.l2h: of a run with other settings"):
        run(folder, config)
    with pytest.raises(ValueError, match=r"best\.l2h: of a run with other settings"):
        folder.best_optimizer(config)
    assert folder.metrics.read_bytes() == before


def test_other_settings_than_the_folder_has_are_refused(straight, tmp_path):
    folder = finished(straight, tmp_path)
    with pytest.raises(ValueError, match="run with other settings"):
        run(folder, dataclasses.replace(CONFIG, seed=1))
    # Comments and order are no settings.
    text = folder.config.read_text()
    folder.config.write_text("# Mine.\n" + "".join(sorted(text.splitlines(True))))
    run(folder, CONFIG)


def test_one_process_writes_at_a_time(straight, tmp_path):
    folder = finished(straight, tmp_path)
    before = {path: path.read_bytes() for path in folder.path.iterdir()}
    # Another open file of this process is a stranger to the lock, like another process.
    with folder.writing(CONFIG):
        with pytest.raises(ValueError, match="another process writes"):
            run(folder, CONFIG)
        assert {path: path.read_bytes() for path in folder.path.iterdir()} == before
    run(folder, CONFIG)  # let go


def test_leftovers_of_a_kill_are_removed(straight, tmp_path):
    folder = finished(straight, tmp_path)
    leftover = folder.path / ".checkpoint.l2h.99.tmp"
    leftover.write_bytes(b"half")
    run(folder, CONFIG)
    assert not leftover.exists()


def test_missing_weights_to_begin_with_are_named(tmp_path):
    config = dataclasses.replace(CONFIG, warm_start="lj13")
    folder = RunFolder.create(tmp_path / "run", config)
    with pytest.raises(ValueError, match=r"start\.l2h: missing"):
        run(folder, config)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"strategy": "pes"}, "strategy: 'pes' is unknown; choose from normalized-es"),
        ({"scaling": "spraed"}, "scaling: 'spraed' given; choose from energy, spread"),
        ({"hidden": 3}, "hidden: 3 given; write a list"),
        ({"hidden": [1_000_000, 1_000_000]}, "hidden: .* weights"),
        ({"hidden": [0]}, "hidden: .*at least 1"),
        ({"precision": "float16"}, "precision: 'float16' given; choose from float32"),
        ({"features": "smells"}, "features: 'smells' is unknown"),
        ({"optimizer": "luck"}, "optimizer: 'luck' is unknown"),
        ({"meta_optimizer": "luck"}, "meta_optimizer: 'luck' is unknown"),
        ({"longest": 99_999_999_999}, "longest: .*at most 2,147,483,647"),
        ({"sigma": float("nan")}, "sigma: nan given; it must be finite"),
        ({"pairs": 2.5}, "pairs: 2.5 given; it must be of type int"),
        ({"pairs": 0}, "pairs: 0 given"),
        ({"final_learning_rate": -1.0}, "final_learning_rate"),
        ({"colour": 3}, "colour: unknown; known settings"),
        ({"optimizer": "fire", "trains": "all"}, "fire has no biases"),
    ],
)
def test_bad_settings_are_named_in_python_too(settings, words):
    with pytest.raises(ValueError, match=words):
        pieces.optimizer(TrainingConfig.for_tasks("lj5", **settings))
    if "colour" not in settings and settings.get("trains") != "all":
        # The run-time type checker, on in tests, may be the first to object.
        with pytest.raises((ValueError, TypeError), match=next(iter(settings))):
            TrainingConfig(**settings)


def test_settings_take_what_stands_for_them(tmp_path):
    config = TrainingConfig.for_tasks(
        "lj5,lj6", hidden=[4, np.int64(5)], sigma=1, warm_start=tmp_path / "w.l2h"
    )
    assert config.tasks == ("lj5", "lj6") and config.hidden == (4, 5)
    assert config.sigma == 1.0 and config.warm_start == str(tmp_path / "w.l2h")
    assert TrainingConfig.parse(config.to_toml()) == config


def test_any_optimizer_by_name_is_trained(tmp_path):
    config = TrainingConfig.for_tasks(
        "lj5", optimizer="adam", updates=2, pairs=2, shortest=4, longest=4, **QUICK
    )
    folder = RunFolder.create(tmp_path / "run", config)
    run(folder, config)
    before, after = pieces.optimizer(config), folder.best_optimizer(config)
    assert type(after) is type(before) and float(after.rate) != float(before.rate)


@pytest.mark.parametrize("name", ["lj13", "lj-family"])
def test_hopping_begins_with_the_network_of_other_weights(name, tmp_path):
    begin = weights.load(name)
    config = TrainingConfig.for_tasks(
        "lj5", optimizer="learned-hopping", warm_start=name, updates=1
    )
    config = pieces.with_room(config, begin)
    prepared = pieces.prepared(config, begin)
    # The same numbers; which of them are trained is for these settings to say.
    pairs = zip(jax.tree.leaves(prepared.inner.first), jax.tree.leaves(begin), strict=True)
    assert all(np.array_equal(a, b) for a, b in pairs)
    # What a file of such weights is read into has the same shapes.
    assert jax.tree.structure(pieces.shapes(config)) == jax.tree.structure(
        eqx.filter_eval_shape(lambda: prepared)
    )
    folder = RunFolder.create(tmp_path / "run", config)
    folder.save_start(prepared, 7)
    assert eqx.tree_equal(folder.first_optimizer(config), prepared)
    # Weights of the whole are trained on as a whole.
    assert eqx.tree_equal(pieces.prepared(config, prepared), prepared)


def test_ones_own_optimizer_takes_over_the_network_within_it(monkeypatch):
    def double(key):
        """Return a network, then hops around the same."""
        network = Learned.create(key, hidden=(4,))
        return Relay(network, BasinHopping(network, BasinHopping.plain().hop))

    monkeypatch.setitem(OPTIMIZERS, "double", double)
    config = TrainingConfig.for_tasks("lj5", optimizer="double", trains="all", sizes=(5, 6))
    begin = Learned.create(jax.random.key(3), hidden=(4,))
    prepared = pieces.prepared(config, begin)
    for network in (prepared.first, prepared.then.inner):
        assert eqx.tree_equal(network.network, begin.network)
        assert network.size_biases.atoms == (5, 6) and network.size_biases.trained == (5,)
    assert jax.tree.structure(pieces.shapes(config)) == jax.tree.structure(
        eqx.filter_eval_shape(lambda: prepared)
    )
    with pytest.raises(ValueError, match="warm_start: .* but adam has none"):
        pieces.prepared(TrainingConfig.for_tasks("lj5", optimizer="adam"), begin)


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_weights_are_trained_on_in_the_precision_of_the_settings(precision):
    config = TrainingConfig.for_tasks("lj5", precision=precision)
    prepared = pieces.prepared(config, weights.load("lj13"))
    kinds = {leaf.dtype.name for leaf in jax.tree.leaves(prepared.network)}
    assert kinds == {precision}


@pytest.mark.parametrize("members", [1, 3, 7, 100])
def test_chunks_are_as_wide_as_memory_allows(members):
    config = dataclasses.replace(CONFIG, pairs=10, chunk=20)
    sizes = count(pieces.shapes(config))
    trainers = [
        pieces.trainer(dataclasses.replace(config, chunk=chunk)) for chunk in range(1, 21)
    ]
    needed = [trainer.memory(sizes) / 2**20 for trainer in trainers]
    given = 1.001 * members * needed[0]
    chosen = pieces.within(config, given)
    assert dataclasses.replace(chosen, chunk=20) == config
    fitting = [t.width for t, size in zip(trainers, needed, strict=True) if size <= given]
    assert trainers[chosen.chunk - 1].width == max(fitting)
    with pytest.raises(ValueError, match="^memory: .*single member on 2 starts"):
        pieces.within(config, 0.999 * needed[0])
