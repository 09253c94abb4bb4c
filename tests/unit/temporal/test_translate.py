"""Server errors are translated into Ringback's errors."""

from dataclasses import replace

import pytest
from google.protobuf.any_pb2 import Any
from google.protobuf.message import Message
from temporalio.api.common.v1 import GrpcStatus
from temporalio.api.errordetails.v1 import (
    NamespaceInvalidStateFailure,
    NamespaceNotActiveFailure,
    NamespaceNotFoundFailure,
    NotFoundFailure,
    PermissionDeniedFailure,
)
from temporalio.service import RPCError, RPCStatusCode

from ringback.domain.callback import ActivityExecution
from ringback.domain.errors import (
    ActivityGoneError,
    RefusedByTemporalError,
    RingbackError,
    TemporalMisconfiguredError,
)
from ringback.temporal.rpc import to_error
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
def test_failed_precondition_means_ended_only_for_standalone_activities(
    about: ActivityExecution | None, said: str, error: type[RingbackError]
) -> None:
    translated = to_error(RPCError(said, RPCStatusCode.FAILED_PRECONDITION, b""), about)

    assert type(translated) is error
    assert said in str(translated)


@pytest.mark.parametrize(
    ("code", "detail", "error"),
    [
        (RPCStatusCode.NOT_FOUND, NotFoundFailure(), ActivityGoneError),
        (RPCStatusCode.NOT_FOUND, NamespaceNotFoundFailure(), TemporalMisconfiguredError),
        (
            RPCStatusCode.FAILED_PRECONDITION,
            NamespaceNotActiveFailure(),
            TemporalMisconfiguredError,
        ),
        (
            RPCStatusCode.FAILED_PRECONDITION,
            NamespaceInvalidStateFailure(),
            TemporalMisconfiguredError,
        ),
        (RPCStatusCode.PERMISSION_DENIED, PermissionDeniedFailure(), TemporalMisconfiguredError),
    ],
)
def test_error_about_the_namespace_or_the_gateway_is_a_misconfiguration(
    code: RPCStatusCode, detail: Message, error: type[RingbackError]
) -> None:
    packed = Any()
    packed.Pack(detail)
    status = GrpcStatus(code=code.value, message="no", details=[packed])

    translated = to_error(RPCError("no", code, status.SerializeToString()))

    assert type(translated) is error


def test_token_of_another_namespace_is_a_misconfiguration() -> None:
    said = "Operation requested with a token from a different namespace."

    translated = to_error(RPCError(said, RPCStatusCode.INVALID_ARGUMENT, b""))

    assert type(translated) is TemporalMisconfiguredError
