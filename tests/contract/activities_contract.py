"""What the core relies on at Temporal, as tests that run on the fake and on the real server."""

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
    """Every test here runs on every `Activities`; `env` comes from the module of each."""
