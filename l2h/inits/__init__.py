"""Distributions of starting structures."""

from .base import (
    AbstractDetailedInit as AbstractDetailedInit,
    AbstractInit as AbstractInit,
    Spent as Spent,
    Start as Start,
    begin_at as begin_at,
)
from .grown import Grown as Grown
from .growth import Growth as Growth
from .harmonic import Harmonic as Harmonic
from .registry import STARTS as STARTS, register as register
from .scorer import Scorer as Scorer
from .symmetric import Symmetric as Symmetric, SymmetricStart as SymmetricStart
from .uniform import Uniform as Uniform
