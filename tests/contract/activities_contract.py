"""What the core relies on at Temporal, as tests that run on the fake and on the real server."""

from tests.contract.activities.beating import Beating
from tests.contract.activities.between_attempts import BetweenAttempts
from tests.contract.activities.ending import Ending, EndingOfItself, Refusing
from tests.contract.activities.operating import (
    ChangingTimeouts,
    Pausing,
    Resetting,
    ResettingWorkflows,
)
from tests.contract.activities.telling import Telling


class ActivitiesContract(
    Ending,
    Refusing,
    EndingOfItself,
    BetweenAttempts,
    Beating,
    Pausing,
    Resetting,
    ChangingTimeouts,
    ResettingWorkflows,
    Telling,
):
    """Every test here runs on every `Activities`; `stage` comes from the module of each."""
