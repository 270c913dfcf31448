"""What people see: progress, pictures, tables, files for other programs."""

from .plots import training_figure as training_figure, write_figure as write_figure
from .progress import (
    Progress as Progress,
    describe as describe,
    trained as trained,
)
from .run import (
    announcement as announcement,
    table as table,
    verdict as verdict,
    write_results as write_results,
)
