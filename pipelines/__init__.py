"""Compositions of the pieces of l2h, one screen each: to read, to run, to copy."""
