"""Rules about the code itself."""

import importlib
import inspect
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import equinox as eqx

import l2h

# What every potential has by automatic differentiation, and a closed form may replace.
DEFAULTS = {"observe"}
# Packages of the extras in pyproject.toml, by the names under which they are imported.
EXTRAS = (
    *("ase", "beartype", "chemiscope", "chex", "hypothesis", "jax_md", "matplotlib"),
    *("playwright", "pytest", "rich", "tyro"),
)
HEAVY = ("ase", "matplotlib", "tyro", "jax_md", "rich", "scipy.optimize", "tqdm")


def classes():
    """Return every Equinox module class that the package defines."""
    found = set()
    for info in pkgutil.walk_packages(l2h.__path__, "l2h."):
        if info.name.endswith("__main__"):
            continue
        module = importlib.import_module(info.name)
        for value in vars(module).values():
            if inspect.isclass(value) and issubclass(value, eqx.Module):
                if value.__module__.startswith("l2h."):
                    found.add(value)
    return found


def test_classes_are_abstract_or_final():
    found = classes()
    assert len(found) > 15
    for cls in found:
        bases = [base for base in cls.__mro__[1:] if base.__module__.startswith("l2h.")]
        for base in bases:
            assert base.__name__.startswith("Abstract"), f"{cls} subclasses {base}"
        missing = set(getattr(cls, "__abstractmethods__", ()))
        missing |= set(getattr(cls, "__abstractvars__", ()))
        missing |= set(getattr(cls, "__abstractclassvars__", ()))
        if not cls.__name__.startswith("Abstract"):
            assert not missing, f"{cls} is concrete but lacks {sorted(missing)}"
        else:
            assert missing, f"{cls} is called abstract but lacks nothing"


def test_abstract_methods_are_implemented_once():
    for cls in classes():
        if cls.__name__.startswith("Abstract"):
            continue
        for base in cls.__mro__[1:]:
            if not base.__module__.startswith("l2h."):
                continue
            concrete = set(vars(base)) - set(getattr(base, "__abstractmethods__", ()))
            concrete -= DEFAULTS
            methods = {m for m in concrete if inspect.isfunction(vars(base)[m])}
            overridden = {m for m in methods & set(vars(cls)) if not m.startswith("__")}
            assert not overridden, f"{cls} overrides concrete {overridden} of {base}"


def test_import_is_light_and_leaves_settings_alone():
    code = (
        "import sys, jax; before = set(sys.modules); config = dict(jax.config.values);"
        "import l2h; after = jax.config.values;"
        "assert all(after[k] == v for k, v in config.items()), 'settings changed';"
        "print('\\n'.join(sorted(set(sys.modules) - before)))"
    )
    root = Path(l2h.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    loaded = done.stdout.split()
    heavy = [m for m in loaded if any(m == h or m.startswith(h + ".") for h in HEAVY)]
    assert not heavy, f"import l2h also imports {heavy[:5]}"


def test_the_core_works_without_any_extra():
    # On machines with accelerators, JAX, Equinox and optax may be all that there is.
    code = (
        "import importlib, sys\n"
        f"EXTRAS = {EXTRAS}\n"
        "class Absent:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] in EXTRAS: raise ImportError(name)\n"
        "sys.meta_path.insert(0, Absent())\n"
        "import jax, l2h\n"
        "for name in (*l2h._MODULES, 'lattice', 'symmetry'):\n"
        "    importlib.import_module(f'l2h.{name}')\n"
        "task, key = l2h.tasks.get('lj5'), jax.random.key(0)\n"
        "[x] = task.draw(0, l2h.domains.Domain.TEST, range(1), 'float32').positions\n"
        "optimizer = l2h.weights.load('lj13')\n"
        "way = l2h.rollout(optimizer, task.potential, x, 3, key=key)\n"
        "assert way.best_energy < 0\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(l2h.__file__).parents[1],
        env={**os.environ, "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_classes_print_their_configuration():
    for cls in (l2h.optimizers.LBFGS, l2h.optimizers.Adam, l2h.potentials.LennardJones):
        assert repr(cls()).startswith(cls.__name__ + "(")


def test_import_touches_no_device():
    # Programs choose precision, devices and processes after importing the library.
    code = (
        "import l2h.report, l2h.training, l2h.weights, jax\n"
        "jax.config.update('jax_num_cpu_devices', 3)\n"
        "assert jax.local_device_count() == 3"
    )
    environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
    root = Path(l2h.__file__).parents[1]
    subprocess.run([sys.executable, "-c", code], check=True, cwd=root, env=environment)


def test_the_face_of_the_package_is_there_without_further_imports():
    # In a fresh interpreter: here, others have imported these already.
    code = (
        "import sys, l2h\n"
        "assert 'l2h.weights' not in sys.modules and 'weights' in dir(l2h)\n"
        "assert 'lj13' in l2h.weights.names() and l2h.evaluation and l2h.testing\n"
        "assert l2h.__version__[0].isdigit()\n"
        "try: l2h.wieghts\n"
        "except AttributeError as error: assert 'wieghts' in str(error)\n"
        "else: raise SystemExit('no error')"
    )
    root = Path(l2h.__file__).parents[1]
    environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
    subprocess.run([sys.executable, "-c", code], check=True, cwd=root, env=environment)


def test_the_version_has_one_home():
    root = Path(l2h.__file__).parents[1]
    assert f"version: {l2h.__version__}\n" in (root / "CITATION.cff").read_text()
    assert 'dynamic = ["version"]' in (root / "pyproject.toml").read_text()
