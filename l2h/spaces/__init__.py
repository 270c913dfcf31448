"""Pair geometry of free and periodic space."""

from .base import (
    AbstractSpace as AbstractSpace,
    Pairs as Pairs,
    pad_atoms as pad_atoms,
    padded as padded,
)
from .free import Free as Free
from .partial import Partial as Partial, present as present
from .periodic import Periodic as Periodic
from .wrapper import AbstractWrapper as AbstractWrapper
