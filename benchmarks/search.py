"""Evaluations a second of a whole search, all it does besides included."""

import time

import jax

import l2h

SIZES, BUDGET = (13, 38), 20_000


def main() -> None:
    """Print the table."""
    print(f"l2h.search, {BUDGET:,} evaluations granted, {jax.devices()[0]}")
    # Minima are polished in double precision.
    with jax.enable_x64(True):
        for n in SIZES:
            l2h.search(f"lj{n}", evaluations=BUDGET, seed=0, devices=1)  # compiles
            begin = time.perf_counter()
            result = l2h.search(f"lj{n}", evaluations=BUDGET, seed=1, devices=1)
            rate = result.evaluations / (time.perf_counter() - begin)
            print(f"{n:6d} atoms {rate:14,.0f} evaluations/s", flush=True)
