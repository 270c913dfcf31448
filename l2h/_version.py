"""The version of l2h, from where everything else takes it."""

__version__ = "0.1.0"
