"""Files: structures that other programs open, trees of arrays, tables that grow."""

from .atomic import write_atomically as write_atomically
from .container import (
    load as load,
    read_metadata as read_metadata,
    save as save,
)
from .locking import lock as lock
from .plain import plain as plain
from .structures import (
    elements as elements,
    from_atoms as from_atoms,
    to_atoms as to_atoms,
    write_extxyz as write_extxyz,
)
from .table import Table as Table
