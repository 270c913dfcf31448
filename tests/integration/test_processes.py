"""Several processes: the same bits, one lost, wrong numbers of them."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

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
ROOT = Path(__file__).parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(count: int, *arguments: str) -> list[subprocess.Popen]:
    """Start processes that belong together, each with its own output."""
    port = free_port()
    command = [sys.executable, "-m", "l2h", "train", *arguments, "--no-examine"]
    command += ["--devices", "1"]
    return [
        subprocess.Popen(
            [
                *command,
                *("--coordinator", f"127.0.0.1:{port}"),
                *("--process", str(i), "--processes", str(count)),
            ],
            cwd=ROOT,
            env={**os.environ, "JAX_PLATFORMS": "cpu"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        for i in range(count)
    ]


def settings(tmp_path: Path, config: TrainingConfig) -> tuple[str, ...]:
    (tmp_path / "config.toml").write_text(config.to_toml())
    return "--config", str(tmp_path / "config.toml"), "--folder", str(tmp_path / "run")


def test_two_processes_write_what_one_writes(tmp_path):
    alone = RunFolder.create(tmp_path / "alone", CONFIG)
    for _ in train(CONFIG, alone):
        pass
    together = start(2, *settings(tmp_path, CONFIG))
    outputs = [process.communicate(timeout=300)[0] for process in together]
    assert [process.returncode for process in together] == [0, 0], outputs
    run = RunFolder(tmp_path / "run")
    assert run.metrics.read_bytes() == alone.metrics.read_bytes()
    assert run.checkpoint.read_bytes() == alone.checkpoint.read_bytes()
    assert run.best.read_bytes() == alone.best.read_bytes()
    assert "processes: 2" in outputs[0] and "run folder" not in outputs[1]


def test_lost_process_ends_the_run_in_words_and_it_resumes(tmp_path):
    config = TrainingConfig.parse(
        CONFIG.to_toml().replace("updates = 6", "updates = 100000")
    )
    together = start(2, *settings(tmp_path, config))
    run = RunFolder(tmp_path / "run")
    try:
        for _ in range(1200):
            if run.checkpoint.exists():
                break
            assert together[0].poll() is None, together[0].communicate()[0]
            time.sleep(0.25)
        # The first process holds the runtime's coordinator; the other notices its loss
        # at once. A lost other process is noticed when its heartbeat is missed.
        os.killpg(together[0].pid, signal.SIGKILL)
        said = together[1].stdout.read()
    finally:
        for process in together:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    assert together[1].returncode == 3, said
    assert "--resume FOLDER" in said

    run, again = RunFolder.open(run.path)
    done = len(run.rows())
    rows = train(again, run)  # alone
    first = next(rows)
    assert 1 < first["update"] <= done + 1
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
    done = subprocess.run(
        [sys.executable, "-m", "l2h", "train", "lj5", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 2 and words in done.stderr, done.stderr


def test_slurm_steps_of_several_tasks_are_recognised(monkeypatch):
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "4")
    assert several([])
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "1")
    assert not several(["lj13"])
    assert several(["lj13", "--processes=2"])
