"""Search problems by name, and families of them."""

from .base import Task as Task, chunk as chunk, chunk_of as chunk_of, draw as draw
from .families import (
    FAMILIES as FAMILIES,
    expanded as expanded,
    held_out as held_out,
    register_family as register_family,
    require_distinct as require_distinct,
)
from .functions import function as function
from .lennard_jones import lennard_jones as lennard_jones
from .metals import metal as metal
from .registry import (
    TASKS as TASKS,
    get as get,
    names as names,
    register as register,
)
from .silicon import diamond as diamond, silicon as silicon
