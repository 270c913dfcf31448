"""Numeric checks of `l2h` against closed forms and independent codes."""

import jax

# Before anything makes an array: every check counts in double precision unless it says so.
jax.config.update("jax_enable_x64", True)
