"""Training runs: settings, files, the host's loop, the final examination."""

from . import pieces as pieces
from .assessment import (
    Assessment as Assessment,
    Examined as Examined,
    assess as assess,
)
from .config import TrainingConfig as TrainingConfig
from .folder import RunFolder as RunFolder
from .loop import check as check, train as train
from .validation import Validation as Validation, validate as validate
