"""Commands as users type them, in processes of their own.

What a process says goes to files: one that waits until somebody reads its pipe would never
write what a test waits for.
"""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

ROOT = Path(__file__).parents[1]
LIMIT = 500.0
"""Seconds after which a process is ended and its test fails."""


class Done(NamedTuple):
    """A process that ended: its exit code and all that it said."""

    returncode: int
    stdout: str
    stderr: str


class Process(subprocess.Popen):
    """A process that has begun, leader of a group; `done` waits for its end."""

    def __init__(self, command: list[str], kept: list[IO[str]], **options: object) -> None:
        self._kept = kept
        options |= {"cwd": ROOT, "start_new_session": True}
        super().__init__(command, stdout=kept[0], stderr=kept[1], **options)

    def said(self) -> list[str]:
        """Return what it wrote so far to its output and to its errors."""
        return [Path(file.name).read_text() for file in self._kept]

    def end(self) -> None:
        """Kill it, and what it began, at once."""
        if self.poll() is None:
            os.killpg(self.pid, signal.SIGKILL)
        self.wait()

    def done(self, timeout: float = LIMIT) -> Done:
        """Wait for the end, `timeout` seconds at most, and return all of it."""
        return Done(self.wait(timeout), *self.said())


@contextmanager
def begun(
    *arguments: object,
    module: str = "l2h",
    code: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Process]:
    """Begin `python -m MODULE ARGUMENTS`, or `python -c CODE ARGUMENTS`.

    It is killed if it has not ended with the block.

    Arguments:
        arguments: of the command line, turned into text.
        module: that is run.
        code: that is run in its place.
        environment: variables beside those of this process.
    """
    program = ["-m", module] if code is None else ["-c", code]
    with (
        tempfile.TemporaryDirectory() as folder,
        open(f"{folder}/out", "w") as out,
        open(f"{folder}/err", "w") as err,
    ):
        process = Process(
            [sys.executable, *program, *map(str, arguments)],
            [out, err],
            env={**os.environ, "JAX_PLATFORMS": "cpu", **(environment or {})},
        )
        try:
            yield process
        finally:
            process.end()


def run(*arguments: object, **options: object) -> Done:
    """Run a command to its end; arguments as `begun`."""
    with begun(*arguments, **options) as process:
        return process.done()
