"""Several processes: the same bits, one lost, wrong numbers of them."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from commands import Process, begun, run

from l2h.cli.launch import several
from l2h.training import RunFolder, TrainingConfig, train

CONFIG = TrainingConfig.for_tasks(
    ["lj5"],
    hidden=(4,),
    updates=6,
    pairs=3,
    starts_per_task=2,
    chunk=2,
    shortest=4,
    longest=9,
    average=0.5,
    validate_every=3,
    validation_starts=4,
    checkpoint_every=2,
)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def started(count: int, *arguments: object) -> Iterator[list[Process]]:
    """Start processes that belong together, each with its own output."""
    options = (*arguments, "--no-examine", "--devices", 1, "--processes", count)
    options += ("--coordinator", f"127.0.0.1:{free_port()}")
    with ExitStack() as stack:
        yield [
            stack.enter_context(begun("train", *options, "--process", i))
            for i in range(count)
        ]


def settings(tmp_path: Path, config: TrainingConfig) -> tuple[str, ...]:
    (tmp_path / "config.toml").write_text(config.to_toml())
    return "--config", str(tmp_path / "config.toml"), "--folder", str(tmp_path / "run")


def test_two_processes_write_what_one_writes(tmp_path):
    alone = RunFolder.create(tmp_path / "alone", CONFIG)
    for _ in train(CONFIG, alone):
        pass
    with started(2, *settings(tmp_path, CONFIG)) as together:
        done = [process.done() for process in together]
    assert [one.returncode for one in done] == [0, 0], done
    folder = RunFolder(tmp_path / "run")
    assert folder.metrics.read_bytes() == alone.metrics.read_bytes()
    assert folder.checkpoint.read_bytes() == alone.checkpoint.read_bytes()
    assert folder.best.read_bytes() == alone.best.read_bytes()
    said = [one.stdout + one.stderr for one in done]
    assert "processes: 2" in said[0] and "run folder" not in said[1]


def test_lost_process_ends_the_run_in_words_and_it_resumes(tmp_path):
    config = TrainingConfig.parse(
        CONFIG.to_toml().replace("updates = 6", "updates = 100000")
    )
    folder = RunFolder(tmp_path / "run")
    with started(2, *settings(tmp_path, config)) as (first, other):
        while not folder.checkpoint.exists():
            assert first.poll() is None, first.said()
            time.sleep(0.25)
        # The first process holds the runtime's coordinator; the other notices its loss
        # at once. A lost other process is noticed when its heartbeat is missed.
        first.end()
        done = other.done()
    assert done.returncode == 3, done
    assert "--resume FOLDER" in done.stderr

    folder, again = RunFolder.open(folder.path)
    written = len(folder.rows())
    rows = train(again, folder)  # alone
    row = next(rows)
    assert 1 < row["update"] <= written + 1
    rows.close()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--processes", "2"), "give all three"),
        (
            ("--coordinator", "localhost", "--process", "0", "--processes", "2"),
            "ADDRESS:PORT",
        ),
        (
            ("--coordinator", "localhost:1", "--process", "2", "--processes", "2"),
            "count from 0 to 1",
        ),
    ],
)
def test_mismatched_processes_are_refused_in_words(tmp_path, arguments, words):
    done = run("train", "lj5", *arguments)
    assert done.returncode == 2 and words in done.stderr, done.stderr


def test_slurm_steps_of_several_tasks_are_recognised(monkeypatch):
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "4")
    assert several([])
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "1")
    assert not several(["lj13"])
    assert several(["lj13", "--processes=2"])
