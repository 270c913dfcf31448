"""Run all benchmarks: `nox -s bench`."""

import jax

from l2h.cli.launch import answered

from . import forces, growth, peers, search, silicon, steps, training


def main() -> None:
    """Print one table after the other."""
    print(f"jax {jax.__version__}, {jax.device_count()} device(s)")
    for table in (forces, steps, silicon, training, search, peers, growth):
        table.main()
        print()


if __name__ == "__main__":
    answered(main, "nothing is kept")
