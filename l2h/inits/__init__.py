"""Distributions of starting structures."""

from .base import AbstractInit as AbstractInit, Start as Start
from .grown import Grown as Grown
from .harmonic import Harmonic as Harmonic
from .symmetric import Symmetric as Symmetric, SymmetricStart as SymmetricStart
from .uniform import Uniform as Uniform
