"""Search problems by name, and mixtures of them."""

from .base import TOLERANCE as TOLERANCE, Task as Task
from .lennard_jones import lennard_jones as lennard_jones
from .registry import get as get, mixture as mixture, names as names
