"""Signatures: the identity of a delivery, where Temporal does not record it.

Temporal records the identity of a request in the event that closes the activity. A retried failure
has no event, only the failure itself. A standalone activity has no events: Temporal shows who
completed or failed it, but not who reported its cancellation (observed on server 1.32). There the
details contain the identity as metadata, which converters ignore.
"""

from datetime import UTC, datetime
from typing import Final
from uuid import uuid4

from temporalio.api.common.v1 import Payloads
from temporalio.api.failure.v1 import Failure

from ringback.domain.ids import RANDOM_BYTES, new_outcome_id, to_identity
from ringback.temporal.encoding import Cancellation, Encoded, Result

SPECIMEN: Final = to_identity(new_outcome_id(datetime.fromtimestamp(0, UTC), bytes(RANDOM_BYTES)))
"""An identity of the usual length, to compute how much a signature adds."""

_KEY: Final = "ringback"

_LONGEST_NAME: Final = 900
"""Length taken of a client's identity, so that a call's identity fits Temporal's 1,000 limit."""


def new_identity(name: str) -> str:
    """Return an identity for one call of the client with the identity `name`."""
    return f"{name[:_LONGEST_NAME]}/{uuid4()}"


def signed(encoded: Encoded, identity: str, *, is_standalone: bool) -> Encoded:
    """Add the sender's identity to `encoded` if Temporal would not show it otherwise."""
    match encoded:
        case Failure():
            encoded.source = identity
        case Cancellation(Payloads() as details) if is_standalone:
            for payload in details.payloads:
                payload.metadata[_KEY] = identity.encode()
        case Result() | Cancellation():
            pass
    return encoded


def signer_of(details: Payloads) -> str:
    """Return the identity in the details of a cancellation; empty if unsigned."""
    names = (payload.metadata.get(_KEY, b"") for payload in details.payloads)
    return next(filter(None, names), b"").decode("utf-8", "replace")
