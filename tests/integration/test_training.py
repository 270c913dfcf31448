"""Training runs as a whole: resuming, damage, several devices."""

import dataclasses
import json

import numpy as np
import pytest

from l2h.training import RunFolder, TrainingConfig, train

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


def run(folder: RunFolder, config: TrainingConfig, stop: int | None = None, **options):
    """Train until the generator has yielded `stop` rows, then abandon it as a kill does."""
    for count, _ in enumerate(train(config, folder, **options), start=1):
        if count == stop:
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
    spent = [8 * 2 * (horizon + 1) for horizon in horizons]
    assert [row["evaluations"] for row in rows] == np.cumsum(spent).tolist()


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


def test_minutes_only_stop(straight, tmp_path):
    folder = RunFolder.create(tmp_path / "run", CONFIG)
    run(folder, CONFIG, minutes=1e-9)
    assert len(folder.rows()) == 1
    run(folder, CONFIG)
    same_files(folder, straight)
    with pytest.raises(ValueError, match="minutes"):
        run(folder, CONFIG, minutes=0.0)


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
        TrainingConfig.read(path).trainer()


def test_weight_card_can_rebuild_the_settings(straight):
    from l2h.io import read_metadata

    card = read_metadata(straight.best)
    assert card["config"] == CONFIG.to_toml()
    assert json.loads(json.dumps(card)) == card
    optimizer = straight.best_optimizer(CONFIG)
    assert np.any(np.asarray(optimizer.network.weights[-1]) != 0)
