"""Energy surfaces."""

from .base import (
    COHESION as COHESION,
    METAL as METAL,
    REDUCED as REDUCED,
    AbstractPotential as AbstractPotential,
    Observation as Observation,
    Scale as Scale,
    Units as Units,
    potential_with as potential_with,
)
from .callback import (
    Callback as Callback,
    Calls as Calls,
    holds_callback as holds_callback,
)
from .function import FunctionPotential as FunctionPotential
from .gupta import Gupta as Gupta, is_alloy as is_alloy
from .lennard_jones import LennardJones as LennardJones
from .registry import POTENTIALS as POTENTIALS, register as register
from .soft_sphere import SoftSphere as SoftSphere
from .stillinger_weber import StillingerWeber as StillingerWeber
from .taper import Taper as Taper
