"""A request as it came, and what its verification says."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum


@dataclass(frozen=True, slots=True)
class IncomingRequest:
    """A request of a provider, byte for byte.

    Attributes:
        method: The HTTP method, in capitals.
        public_url: The URL as the provider has it: the public address of the settings with the
            request's path and query. It never comes from `Host` or `X-Forwarded-*`.
        headers: Names and values in any case and order, as they came.
        body: The body; unpacked, if the provider signs before it compresses.
    """

    method: str
    public_url: str = field(repr=False)
    headers: Sequence[tuple[bytes, bytes]] = field(repr=False)
    body: bytes = field(repr=False)


class Reason(Enum):
    """Why a request was refused; stable, for metrics and logs."""

    HEADER_MISSING = "header_missing"
    HEADER_TWICE = "header_twice"
    HEADER_UNREADABLE = "header_unreadable"
    BODY_UNREADABLE = "body_unreadable"
    SIGNATURE_MISMATCH = "signature_mismatch"
    BODY_MODIFIED = "body_modified"
    TOKEN_MISMATCH = "token_mismatch"  # noqa: S105 - a reason
    TOO_MANY_SIGNATURES = "too_many_signatures"
    TIMESTAMP_UNREADABLE = "timestamp_unreadable"
    TIMESTAMP_TOO_OLD = "timestamp_too_old"
    TIMESTAMP_AHEAD = "timestamp_ahead"
    ADDRESS_REFUSED = "address_refused"
    KEY_UNAVAILABLE = "key_unavailable"
    SECRET_UNUSABLE = "secret_unusable"  # noqa: S105 - a reason


@dataclass(frozen=True, slots=True)
class Verified:
    """The request is from the provider.

    Attributes:
        secret_index: Which of the secrets fits, from 0: whether an old one is still in use.
        signed: False if only a shared token was compared, which does not protect the body.
    """

    secret_index: int
    signed: bool = True


@dataclass(frozen=True, slots=True)
class Refusal:
    """The request could not be verified.

    Attributes:
        reason: For programs.
        message: A sentence for the operator. It holds no secret, no signature and no payload, and
            must not be sent to the caller.
    """

    reason: Reason
    message: str

    @property
    def is_temporary(self) -> bool:
        """Whether the same request may be verified later: the provider should send it again."""
        return self.reason is Reason.KEY_UNAVAILABLE


class RefusedError(Exception):
    """Ends a verification. It never leaves this package."""

    def __init__(self, reason: Reason, message: str) -> None:
        """Refuse for `reason`."""
        super().__init__(message)
        self.refusal = Refusal(reason, message)
