"""Point groups, and structures that they leave as they are."""

from .fill import Fill as Fill, symmetric_fill as symmetric_fill
from .point_groups import Groups as Groups, group as group, names as names
