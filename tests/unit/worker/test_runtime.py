"""How a running activity is identified."""

from dataclasses import replace

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from ringback.worker.runtime import to_ref

IN_A_WORKFLOW = ActivityEnvironment.default_info()
STANDALONE = replace(
    IN_A_WORKFLOW, workflow_id=None, workflow_run_id=None, activity_run_id="its own"
)


def test_activity_is_identified_by_its_run_and_scheduled_time() -> None:
    ref = to_ref(IN_A_WORKFLOW)

    assert (ref.workflow_id, ref.run_id, ref.activity_id) == ("test", "test-run", "test")
    assert ref.scheduled_at == IN_A_WORKFLOW.scheduled_time


def test_standalone_activity_has_its_own_run() -> None:
    ref = to_ref(STANDALONE)

    assert ref.is_standalone
    assert (ref.run_id, ref.activity_id) == ("its own", "test")


def test_ambiguous_activity_is_rejected() -> None:
    with pytest.raises(ApplicationError, match="has no run id") as caught:
        to_ref(replace(STANDALONE, activity_run_id=None))

    assert caught.value.non_retryable


def test_local_activity_is_rejected() -> None:
    with pytest.raises(ApplicationError, match="a local activity cannot wait") as caught:
        to_ref(replace(IN_A_WORKFLOW, is_local=True))

    assert caught.value.non_retryable
