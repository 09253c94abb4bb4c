"""The contract of `Activities`: what the core relies on, tested on the fake and on Temporal."""

from tests.contract.activities.between_attempts import BetweenAttemptsContract
from tests.contract.activities.ends import ActivityEndsContract, EndsContract, RefusalsContract
from tests.contract.activities.heartbeats import HeartbeatsContract
from tests.contract.activities.operator_actions import (
    PauseContract,
    ResetContract,
    TimeoutChangeContract,
    WorkflowResetContract,
)
from tests.contract.activities.polls import PollsContract


class ActivitiesContract(
    EndsContract,
    RefusalsContract,
    ActivityEndsContract,
    BetweenAttemptsContract,
    HeartbeatsContract,
    PauseContract,
    ResetContract,
    TimeoutChangeContract,
    WorkflowResetContract,
    PollsContract,
):
    """Runs on every `Activities`; the module of each defines the fixture `env`."""
