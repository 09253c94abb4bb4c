"""One table classifies why a try failed."""

from datetime import UTC, datetime

import pytest
from google.protobuf.any_pb2 import Any
from temporalio.api.common.v1 import GrpcStatus
from temporalio.api.errordetails.v1 import NamespaceNotFoundFailure
from temporalio.service import RPCError, RPCStatusCode

from ringback.completion.retry import TryFailure, classify
from ringback.domain.callback import ActivityExecution

Code = RPCStatusCode


def execution(workflow_id: str) -> ActivityExecution:
    return ActivityExecution("default", workflow_id, "", "1", datetime.fromtimestamp(0, UTC))


IN_A_WORKFLOW = execution("order-7")
STANDALONE = execution("")


@pytest.mark.parametrize(
    ("status", "message", "failure"),
    [
        (Code.NOT_FOUND, "invalid activityID or activity already timed out", TryFailure.GONE),
        (Code.INVALID_ARGUMENT, "Error deserializing task token.", TryFailure.REFUSED),
        (Code.FAILED_PRECONDITION, "invalid transition from Completed", TryFailure.REFUSED),
        (Code.UNIMPLEMENTED, "unknown method", TryFailure.REFUSED),
        (Code.PERMISSION_DENIED, "Request unauthorized.", TryFailure.REFUSED),
        (Code.UNAUTHENTICATED, "no key", TryFailure.REFUSED),
        (Code.RESOURCE_EXHAUSTED, "received message larger than max", TryFailure.REFUSED),
        (Code.RESOURCE_EXHAUSTED, "namespace rate limit exceeded", TryFailure.NOT_TAKEN),
        (Code.UNAVAILABLE, "tcp connect error", TryFailure.NOT_TAKEN),
        (Code.UNAVAILABLE, "shard status unknown", TryFailure.LOST),
        (Code.UNKNOWN, "transport error", TryFailure.LOST),
        (Code.CANCELLED, "Timeout expired", TryFailure.LOST),
        (Code.DEADLINE_EXCEEDED, "context deadline exceeded", TryFailure.LOST),
        (Code.INTERNAL, "something", TryFailure.LOST),
        (Code.ABORTED, "something", TryFailure.LOST),
    ],
)
def test_status_of_a_workflow_activity_is_classified(
    status: RPCStatusCode, message: str, failure: TryFailure
) -> None:
    assert classify(RPCError(message, status, b""), IN_A_WORKFLOW) is failure


def test_ended_standalone_activity_is_gone() -> None:
    ended = RPCError("invalid transition from Completed", Code.FAILED_PRECONDITION, b"")

    assert classify(ended, STANDALONE) is TryFailure.GONE


def test_missing_namespace_is_not_a_missing_activity() -> None:
    detail = Any()
    detail.Pack(NamespaceNotFoundFailure(namespace="nowhere"))
    raw = GrpcStatus(code=5, details=[detail]).SerializeToString()
    nowhere = RPCError("Namespace nowhere is not found.", Code.NOT_FOUND, raw)

    assert classify(nowhere, IN_A_WORKFLOW) is TryFailure.REFUSED


def test_failed_connection_means_nothing_was_sent() -> None:
    assert classify(RuntimeError("Failed client connect")) is TryFailure.NOT_TAKEN
