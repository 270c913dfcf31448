"""Trials that several modules look at, made once."""

import pytest
from trials import ONCE, RESTARTED, run

from l2h.evaluation import Trials


@pytest.fixture(scope="session")
def restarted() -> Trials:
    return run(RESTARTED)


@pytest.fixture(scope="session")
def once() -> Trials:
    return run(ONCE)
