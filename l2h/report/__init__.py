"""What people see: progress, pictures, tables, files for other programs."""

from .plots import training_report as training_report
from .progress import Progress as Progress, describe as describe
from .run import table as table, write_results as write_results
