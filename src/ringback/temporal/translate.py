"""The server's errors as Ringback's errors: one table."""

from typing import Final, TypeAlias

from temporalio.api.errordetails.v1 import (
    NamespaceInvalidStateFailure,
    NamespaceNotActiveFailure,
    NamespaceNotFoundFailure,
    PermissionDeniedFailure,
)
from temporalio.service import RPCError, RPCStatusCode

from ringback.domain.callback import ActivityExecution
from ringback.domain.errors import (
    ActivityGoneError,
    RefusedByTemporalError,
    RingbackError,
    TemporalBusyError,
    TemporalMisconfiguredError,
    TemporalUnreachableError,
)

ServiceError: TypeAlias = RPCError | RuntimeError
"""The errors of a request: the server's, no reply, or no connection."""

ERRORS: Final[dict[RPCStatusCode, type[RingbackError]]] = {
    RPCStatusCode.NOT_FOUND: ActivityGoneError,
    RPCStatusCode.INVALID_ARGUMENT: RefusedByTemporalError,
    RPCStatusCode.FAILED_PRECONDITION: RefusedByTemporalError,
    # A server that is not Temporal, or too old for the feature, lacks it too.
    RPCStatusCode.UNIMPLEMENTED: TemporalMisconfiguredError,
    RPCStatusCode.PERMISSION_DENIED: TemporalMisconfiguredError,
    RPCStatusCode.UNAUTHENTICATED: TemporalMisconfiguredError,
    RPCStatusCode.RESOURCE_EXHAUSTED: TemporalBusyError,
}
"""Errors that are not listed may be transient: they become `TemporalUnreachableError`."""

_WRONG_SERVER: Final = (
    NamespaceInvalidStateFailure,
    NamespaceNotActiveFailure,
    NamespaceNotFoundFailure,
    PermissionDeniedFailure,
)
"""Error details that concern the namespace or the gateway, not the activity."""

_OTHER_NAMESPACE: Final = "a token from a different namespace"
_TOO_LARGE: Final = "larger than max"
_HAS_ENDED: Final = "invalid transition"


def to_error(exc: ServiceError, about: ActivityExecution | None = None) -> RingbackError:
    """Return Ringback's error for a failed request `about` an activity.

    A client that cannot connect raises `RuntimeError`; errors of the server are `RPCError`s.
    """
    if not isinstance(exc, RPCError):
        return TemporalUnreachableError(f"Temporal cannot be reached: {exc}")
    if exc.status is RPCStatusCode.RESOURCE_EXHAUSTED and _TOO_LARGE in exc.message:
        return RefusedByTemporalError(exc.message)
    if _is_the_wrong_server(exc):
        return TemporalMisconfiguredError(f"{exc.status.name}: {exc.message}")
    if about is not None and about.is_standalone and _says_it_has_ended(exc):
        return ActivityGoneError(f"{exc.status.name}: {exc.message}")
    wanted = ERRORS.get(exc.status, TemporalUnreachableError)
    return wanted(f"{exc.status.name}: {exc.message}")


def _says_it_has_ended(exc: RPCError) -> bool:
    # The reply to a completion of a standalone activity by ids; otherwise NOT_FOUND (server 1.32).
    return exc.status is RPCStatusCode.FAILED_PRECONDITION and _HAS_ENDED in exc.message


def _is_the_wrong_server(exc: RPCError) -> bool:
    if exc.status is RPCStatusCode.INVALID_ARGUMENT and _OTHER_NAMESPACE in exc.message:
        return True
    details = exc.grpc_status.details
    return any(detail.Is(kind.DESCRIPTOR) for detail in details for kind in _WRONG_SERVER)
