"""Learned optimizers: features, network, head."""

from .base import AbstractFeatures as AbstractFeatures, Reading as Reading
from .componentwise import Componentwise as Componentwise
from .equivariant import Equivariant as Equivariant
from .head import Head as Head
from .learned import Learned as Learned
from .network import Network as Network
from .registry import FEATURES as FEATURES, register as register
from .size_biases import SizeBiases as SizeBiases
