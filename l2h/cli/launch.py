"""Programs from the command line: what went wrong is said in words."""

import errno
import importlib
import importlib.util
import inspect
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

# Exit codes, as shells have them: wrong input, an interruption, a closed output.
WRONG, INTERRUPTED, CLOSED = 2, 128 + signal.SIGINT, 141
KEPT = "the same command goes on from here"
# Files of one's own that are yet to be run.
_waiting: list[str] = []
LOAD = (
    "With --load FILE.py (or a module), that file is run first: tasks, potentials, "
    "optimizers, strategies and families of your own that it registers are then known by "
    "name."
)


def command(main: Callable[..., None], kept: str = KEPT, *, loads: bool = True) -> None:
    """Run a program as the command line asks; see `answered` and `LOAD`.

    Arguments:
        main: the program, typed and documented as tyro reads it; an interruption that it
            raises itself may say more.
        kept: what is said of other interruptions.
        loads: whether it looks up names, of which users may have their own; it then begins
            with `prepare`.
    """

    def program() -> None:
        import tyro

        arguments = sys.argv[1:]
        description = f"{inspect.getdoc(main)}".split("\n\nArgs:")[0]
        if loads:
            arguments, _waiting[:] = parted(arguments)
            description = f"{description}\n\n{LOAD}"
        tyro.cli(main, args=arguments, description=description)

    answered(program, kept)


def answered(program: Callable[[], Any], kept: str = KEPT) -> None:
    """Run a program; end the process in words where it cannot go on.

    Wrong input, files that cannot be read or written and a lack of memory or of packages
    are one sentence and exit code 2, Ctrl-C is 130; a reader of the output who has left
    ends the program quietly. Anything else is a fault of the program, and shows where. So
    does everything if the environment has L2H_TRACEBACK.

    Arguments:
        program: what is run.
        kept: what is said of interruptions that do not say more themselves.
    """
    if sys.stdout is None:  # closed before the program began
        sys.stdout = open(os.devnull, "w")
    try:
        program()
        sys.stdout.flush()
    except KeyboardInterrupt as interruption:
        _end(f"\ninterrupted; {str(interruption) or kept}", INTERRUPTED)
    except BrokenPipeError:
        # What is still buffered would complain once more when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(CLOSED)
    except Exception as error:
        if (words := sentence(error)) is None or "L2H_TRACEBACK" in os.environ:
            raise
        _end(f"error: {words}", WRONG)


def sentence(error: Exception) -> str | None:
    """Return what to tell a person about an error; None if it is a fault of the program."""
    if isinstance(error, OSError):
        if error.errno == errno.ENOSPC:
            what = f"{error.filename}: " if error.filename else ""
            return f"{what}the disk is full; free some space and try again."
        return f"{error.filename}: {error.strerror}" if error.filename else str(error)
    if isinstance(error, (ValueError, ImportError)):
        return str(error)
    # Of JAX, which is not imported for a name only.
    exhausted = isinstance(error, RuntimeError) and "RESOURCE_EXHAUSTED" in str(error)
    if exhausted or isinstance(error, MemoryError):
        return (
            "there is not enough memory; take fewer atoms, smaller layers, or fewer "
            "searches at once (chunk)."
        )
    return None


def _end(words: str, code: int) -> None:
    print(words, file=sys.stderr)
    try:
        sys.stdout.flush()
    except OSError:  # it would complain once more when the interpreter ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


def parted(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Part a command line from the files that `--load` names in it."""
    rest, files, waiting = [], [], list(arguments)
    while waiting:
        argument = waiting.pop(0)
        option, _, name = argument.partition("=")
        if option == "--load":
            files.append(name or (waiting.pop(0) if waiting else ""))
        else:
            rest.append(argument)
    return rest, files


def run_file(path: Path, option: str) -> ModuleType:
    """Run a file of one's own; return it as a module.

    Arguments:
        path: of the file.
        option: that names it, for the message.

    Raises:
        ValueError: if there is no such file.
    """
    # A name of its own: a file may be called like a module that others import.
    name = f"own_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise ValueError(f"{option}: there is no file {path}; give FILE.py or a module.")
    module = importlib.util.module_from_spec(spec)
    # Where classes are looked up, by name, that the file defines.
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _load(name: str) -> None:
    if name.endswith(".py"):
        run_file(Path(name), "--load")
    elif not name or importlib.util.find_spec(name) is None:
        raise ValueError(f"--load: there is no module {name!r}; give one, or FILE.py.")
    else:
        importlib.import_module(name)


def several(arguments: list[str]) -> bool:
    """Whether a command line or SLURM's environment asks for several processes."""
    named = any(a.split("=")[0] in ("--processes", "--coordinator") for a in arguments)
    return named or int(os.environ.get("SLURM_STEP_NUM_TASKS", "1")) > 1


def outlive(program: Callable[[], None]) -> None:
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


def prepare(
    asked: int | None = 1,
    *,
    cores: int | None = None,
    join: Callable[[], None] | None = None,
) -> int:
    """Choose double precision and devices, and run files of one's own (`LOAD`); the first
    thing that a program does, since these files may touch JAX's devices and register names.

    Arguments:
        asked: how many devices share the work, as a user asks for them; None for all.
        cores: of a processor that are devices unless more are asked for; all by default.
        join: what joins other processes, if there are any.

    Returns:
        How many of the local devices to use.

    Raises:
        ValueError: if there are not as many, or a file or module is missing.
    """
    import jax

    if asked is not None and asked < 1:
        raise ValueError(f"devices: {asked} asked for; take at least 1, or leave it out.")
    present = os.cpu_count() or 1
    wanted = min(asked or cores or present, present)
    jax.config.update("jax_enable_x64", True)
    if wanted > 1:
        jax.config.update("jax_num_cpu_devices", wanted)
    if join is not None:
        join()
    while _waiting:
        _load(_waiting.pop(0))
    if asked == 1:  # no device is touched to count them
        return 1
    found = jax.local_device_count()
    if asked is not None and asked > found:
        raise ValueError(f"devices: {asked} asked for, {found} present; ask for fewer.")
    return found if asked is None else asked
