"""Groups of operations, and structures that they leave as they are."""

from .cells import CellGroups as CellGroups
from .dealing import deal as deal
from .fill import Fill as Fill, cell_fill as cell_fill, symmetric_fill as symmetric_fill
from .finding import (
    point_group as point_group,
    symmetry_operations as symmetry_operations,
)
from .invariance import Invariance as Invariance
from .point_groups import (
    COMMON as COMMON,
    Groups as Groups,
    completions as completions,
    group as group,
    names as names,
    orbit_sizes as orbit_sizes,
)
