"""Run all benchmarks: `nox -s bench`."""

import jax

from l2h.cli.launch import answered

from . import forces, silicon, steps


def main() -> None:
    """Print one table after the other."""
    print(f"jax {jax.__version__}, {jax.device_count()} device(s)")
    forces.main()
    print()
    steps.main()
    print()
    silicon.main()


if __name__ == "__main__":
    answered(main, "nothing is kept")
