"""Search problems by name, and mixtures of them."""

from .base import CHUNK as CHUNK, Task as Task, chunk_of as chunk_of, draw as draw
from .families import FAMILIES as FAMILIES, held_out as held_out, members as members
from .functions import function as function
from .lennard_jones import lennard_jones as lennard_jones
from .metals import metal as metal
from .registry import get as get, mixture as mixture, names as names
from .silicon import diamond as diamond, silicon as silicon
