"""What a request ended with is told apart by one table."""

from datetime import UTC, datetime

import pytest
from google.protobuf.any_pb2 import Any
from temporalio.api.common.v1 import GrpcStatus
from temporalio.api.errordetails.v1 import NamespaceNotFoundFailure
from temporalio.service import RPCError, RPCStatusCode

from ringback.completion.answers import Answer, judge
from ringback.domain.callback import ActivityExecution

Code = RPCStatusCode


def execution(workflow_id: str) -> ActivityExecution:
    return ActivityExecution("default", workflow_id, "", "1", datetime.fromtimestamp(0, UTC))


IN_A_WORKFLOW = execution("order-7")
STANDALONE = execution("")


@pytest.mark.parametrize(
    ("status", "message", "answer"),
    [
        (Code.NOT_FOUND, "invalid activityID or activity already timed out", Answer.GONE),
        (Code.INVALID_ARGUMENT, "Error deserializing task token.", Answer.REFUSED),
        (Code.FAILED_PRECONDITION, "invalid transition from Completed", Answer.REFUSED),
        (Code.UNIMPLEMENTED, "unknown method", Answer.REFUSED),
        (Code.PERMISSION_DENIED, "Request unauthorized.", Answer.REFUSED),
        (Code.UNAUTHENTICATED, "no key", Answer.REFUSED),
        (Code.RESOURCE_EXHAUSTED, "received message larger than max", Answer.REFUSED),
        (Code.RESOURCE_EXHAUSTED, "namespace rate limit exceeded", Answer.NOT_TAKEN),
        (Code.UNAVAILABLE, "tcp connect error", Answer.NOT_TAKEN),
        (Code.UNAVAILABLE, "shard status unknown", Answer.LOST),
        (Code.UNKNOWN, "transport error", Answer.LOST),
        (Code.CANCELLED, "Timeout expired", Answer.LOST),
        (Code.DEADLINE_EXCEEDED, "context deadline exceeded", Answer.LOST),
        (Code.INTERNAL, "something", Answer.LOST),
        (Code.ABORTED, "something", Answer.LOST),
    ],
)
def test_an_answer_about_an_activity_of_a_workflow(
    status: RPCStatusCode, message: str, answer: Answer
) -> None:
    assert judge(RPCError(message, status, b""), IN_A_WORKFLOW) is answer


def test_a_standalone_activity_that_has_ended_is_gone() -> None:
    ended = RPCError("invalid transition from Completed", Code.FAILED_PRECONDITION, b"")

    assert judge(ended, STANDALONE) is Answer.GONE


def test_a_namespace_that_is_not_there_is_no_activity_that_is_gone() -> None:
    detail = Any()
    detail.Pack(NamespaceNotFoundFailure(namespace="nowhere"))
    raw = GrpcStatus(code=5, details=[detail]).SerializeToString()
    nowhere = RPCError("Namespace nowhere is not found.", Code.NOT_FOUND, raw)

    assert judge(nowhere, IN_A_WORKFLOW) is Answer.REFUSED


def test_without_a_connection_nothing_was_sent() -> None:
    assert judge(RuntimeError("Failed client connect")) is Answer.NOT_TAKEN
