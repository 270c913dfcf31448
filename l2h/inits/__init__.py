"""Distributions of starting structures."""

from .base import AbstractInit as AbstractInit
from .harmonic import Harmonic as Harmonic
from .uniform import Uniform as Uniform
