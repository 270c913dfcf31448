"""Programs from the command line: what went wrong is said in words."""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable

import tyro


def command(
    main: Callable[..., None], kept: str = "the same command goes on from here"
) -> None:
    """Run a program as the command line asks; wrong input ends in words.

    Arguments:
        main: the program; an interruption that it raises itself may say more.
        kept: what is said of other interruptions.
    """
    try:
        tyro.cli(main)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt as interruption:
        print(f"\ninterrupted; {str(interruption) or kept}", file=sys.stderr)
        sys.exit(130)


def several(arguments: list[str]) -> bool:
    """Whether a command line or SLURM's environment asks for several processes."""
    named = any(a.split("=")[0] in ("--processes", "--coordinator") for a in arguments)
    return named or int(os.environ.get("SLURM_STEP_NUM_TASKS", "1")) > 1


def launch(program: Callable[[], None]) -> None:
    """Run a program in a process of its own, and outlive it.

    When one of several processes is lost, JAX's runtime aborts all others; an aborted
    process cannot say why, so its parent does.
    """
    child = multiprocessing.get_context("spawn").Process(target=program)
    child.start()
    try:
        child.join()
    except KeyboardInterrupt:  # the child was interrupted as well
        child.join()
    code = child.exitcode or 0
    if code < 0:
        print(
            f"error: this process ended by {signal.Signals(-code).name}. When one of "
            "several processes is lost, the others end as well; look at the output of the "
            "others for the first that failed. Everything up to the last checkpoint is "
            "kept: go on with --resume FOLDER, on any number of processes.",
            file=sys.stderr,
        )
        sys.exit(3)
    sys.exit(code)
