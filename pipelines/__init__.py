"""Compositions of the pieces of l2h, one screen each: to read, to run, to copy."""

from l2h.cli.cache import keep_compiled

keep_compiled()  # before they import JAX
