"""Signatures: in whose name an outcome was delivered, where Temporal keeps no identity beside it.

Temporal keeps the identity of a request in the event that closes the activity. Of a failure that is
retried there is no event, only the failure itself. Of a standalone activity there is no event at
all: who completed or failed it is told, and who reported its cancellation is not (observed on
server 1.32). There the details carry the name, as metadata, which converters pass over.
"""

from datetime import UTC, datetime
from typing import Final

from temporalio.api.common.v1 import Payloads
from temporalio.api.failure.v1 import Failure

from ringback.domain.ids import RANDOM_BYTES, new_outcome_id, to_identity
from ringback.temporal.encoding import Cancellation, Encoded, Result

SPECIMEN: Final = to_identity(new_outcome_id(datetime.fromtimestamp(0, UTC), bytes(RANDOM_BYTES)))
"""Nobody's identity, as long as every other: what a signature adds to a size is known by it."""

_KEY: Final = "ringback"


def signed(encoded: Encoded, identity: str, *, is_standalone: bool) -> Encoded:
    """Return `encoded` with the name of its sender in it, where only that tells it later."""
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
    """Return in whose name a cancellation with these details was reported; empty if unsigned."""
    names = (payload.metadata.get(_KEY, b"") for payload in details.payloads)
    return next(filter(None, names), b"").decode("utf-8", "replace")
