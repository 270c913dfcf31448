"""The training command as a user types it: killed, resumed, mistyped."""

import json
import time
from pathlib import Path

import pytest
from commands import begun, run

from l2h.training import RunFolder, TrainingConfig

SETTINGS = """
tasks = ["lj5"]
hidden = [4]
updates = 60
pairs = 2
starts_per_task = 1
chunk = 4
shortest = 5
longest = 10
validate_every = 20
validation_starts = 5
checkpoint_every = 7
"""


@pytest.fixture(scope="module")
def straight(tmp_path_factory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("runs")
    (folder / "settings.toml").write_text(SETTINGS)
    settings = folder / "settings.toml"
    done = run("train", "--config", settings, "--folder", folder / "straight")
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def test_command_writes_what_it_promises(straight):
    from ase.io import read

    folder, output = straight
    straight = folder / "straight"
    for name in (
        "config.toml",
        "metrics.jsonl",
        "timings.jsonl",
        "checkpoint.l2h",
        "best.l2h",
        "evaluation.json",
        "lowest.extxyz",
        "report.png",
        "report.html",
    ):
        assert (straight / name).stat().st_size > 0
    summary = json.loads((straight / "evaluation.json").read_text())["lj5"]
    assert summary["learned"]["starts"] == 150
    assert summary["learned"]["steps"] == 10
    structures = read(straight / "lowest.extxyz", ":")
    # The bipyramid: random starts of five atoms always find it among 150.
    assert structures[0].get_potential_energy() == pytest.approx(-9.103852, abs=1e-5)
    energies = [atoms.get_potential_energy() for atoms in structures]
    assert energies == sorted(energies)
    assert "evaluations per hit" in output and str(straight / "report.png") in output
    lines = output.strip().splitlines()
    assert lines[0].startswith("Learning to find the lowest energy of lj5 (5 atoms)")
    assert lines[-1].startswith("lj5: the learned optimizer found")


def test_killed_and_resumed_equals_straight(straight):
    folder, _ = straight
    killed = folder / "killed"
    metrics = killed / "metrics.jsonl"
    options = ("--config", folder / "settings.toml", "--folder", killed)
    with begun("train", *options) as process:
        while not metrics.exists() or len(metrics.read_text().splitlines()) < 12:
            assert process.poll() is None, process.said()
            time.sleep(0.005)
        process.end()
    assert len(RunFolder(killed).rows()) < 60
    # Resuming on another number of devices.
    done = run("train", "--resume", killed, "--devices", 1)
    assert done.returncode == 0, done.stderr
    for name in ("metrics.jsonl", "checkpoint.l2h", "best.l2h", "evaluation.json"):
        assert (killed / name).read_bytes() == (folder / "straight" / name).read_bytes(), (
            name
        )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["gold13"], "gold13"),
        (["lj0"], "lj0"),
        (["lj13", "--minutes", "0"], "minutes"),
        (["--config", "nowhere.toml"], "nowhere.toml"),
        (["--resume", "nowhere"], "nowhere"),
        (["lj13", "--devices", "0"], "devices"),
        (["lj13", "--devices", "100"], "devices: 100 asked for"),
        (["lj13", "--updates", "many"], "updates"),
        (["lj13", "--warm-start", "no.l2h"], "no.l2h cannot be read"),
        (["lj13", "--hidden", "1000000", "1000000"], "hidden"),
        (["lj13", "--strategy", "pes"], "choose from normalized-es"),
    ],
)
def test_mistakes_are_answered_in_words(tmp_path, arguments, words):
    where = [] if "--resume" in arguments else ["--folder", tmp_path / "run"]
    done = run("train", *arguments, *where)
    assert done.returncode == 2
    assert words in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "run" / "metrics.jsonl").exists()


def test_resume_with_other_settings_is_refused(straight):
    folder, _ = straight
    straight = folder / "straight"
    before = {path: path.read_bytes() for path in straight.iterdir()}
    done = run("train", "lj13", "--resume", straight)
    assert done.returncode == 2 and "resume" in done.stderr
    assert {path: path.read_bytes() for path in straight.iterdir()} == before


def test_settings_of_a_run_are_complete(straight):
    folder, _ = straight
    config = TrainingConfig.read(folder / "straight" / "config.toml")
    assert config.tasks == ("lj5",) and config.updates == 60
