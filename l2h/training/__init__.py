"""Training runs: settings, files, the host's loop, the final examination."""

from .assessment import Assessment as Assessment, assess as assess
from .config import TrainingConfig as TrainingConfig
from .folder import RunFolder as RunFolder
from .loop import check as check, train as train, validate as validate
