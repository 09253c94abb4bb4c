"""What the server answers about standalone activities, in Ringback's errors."""

from dataclasses import replace

import pytest
from temporalio.service import RPCError, RPCStatusCode

from ringback.domain.callback import ActivityExecution
from ringback.domain.errors import ActivityGoneError, RefusedByTemporalError, RingbackError
from ringback.temporal.translate import to_error
from tests import factories

IN_A_WORKFLOW = factories.activity_ref()
STANDALONE = replace(IN_A_WORKFLOW, workflow_id="")


@pytest.mark.parametrize(
    ("about", "said", "error"),
    [
        (STANDALONE, "invalid transition from Completed", ActivityGoneError),
        (STANDALONE, "activity is in non-pausable state Failed", RefusedByTemporalError),
        (IN_A_WORKFLOW, "invalid transition from Completed", RefusedByTemporalError),
        (None, "invalid transition from Completed", RefusedByTemporalError),
    ],
)
def test_only_of_a_standalone_activity_a_failed_precondition_says_that_it_has_ended(
    about: ActivityExecution | None, said: str, error: type[RingbackError]
) -> None:
    translated = to_error(RPCError(said, RPCStatusCode.FAILED_PRECONDITION, b""), about)

    assert type(translated) is error
    assert said in str(translated)
