"""Heartbeats to a real Temporal server.

A heartbeat without details erases the recorded ones (observed on server 1.32), so they are sent
again. After the attempt has completed asynchronously they change no more, and one read is enough;
before that, each heartbeat reads them.
"""

from datetime import datetime
from functools import partial
from typing import Final

from temporalio.api.common.v1 import Payloads
from temporalio.client import Client
from temporalio.service import WorkflowService

from ringback.core.body_encryption import decrypt_body
from ringback.domain.activity_state import HeartbeatResponse
from ringback.domain.callback import Callback
from ringback.domain.ids import CallbackId
from ringback.domain.terms import to_terms
from ringback.temporal.body_cipher import CodecCipher
from ringback.temporal.describe import recorded_details
from ringback.temporal.encoder import Encoder, Use
from ringback.temporal.encoding import as_payloads, contextual, raw_values, relays_json, to_payloads
from ringback.temporal.limits import NamespaceLimits
from ringback.temporal.requests import ActivityRequests, Address
from ringback.temporal.rpc import in_time, translated

_MOST: Final = 20_000
_LARGEST: Final = 4096
"""Larger details are not cached but read each time."""


class TemporalHeartbeats:
    """`Heartbeats` through a client of the SDK."""

    def __init__(self, client: Client, encoder: Encoder | None = None) -> None:
        """Use the connection and the converter of `client`, for activities of all namespaces.

        The converter runs in `encoder`, or in a new one.
        """
        self._service = client.workflow_service
        self._encoder = encoder or Encoder(client.data_converter)
        self._cipher = CodecCipher(self._encoder, use=Use.DELIVERY)
        self._identity = client.identity
        self._limits = NamespaceLimits(client)
        self._recorded = _Recorded(client.workflow_service)

    async def check_details(self, callback: Callback, details: bytes | None) -> None:
        await self._encode(callback, details, Use.CHECK)

    async def heartbeat_to_attempt(
        self, callback: Callback, details: bytes | None
    ) -> HeartbeatResponse:
        assert callback.task_token is not None, "check callback.task_token first"
        to_be_sent = await self._to_be_sent(callback, details)
        return await self._record(Address(callback.ref, callback.task_token), to_be_sent)

    async def heartbeat(self, callback: Callback, details: bytes | None) -> HeartbeatResponse:
        to_be_sent = await self._to_be_sent(callback, details)
        return await self._record(Address(callback.ref), to_be_sent)

    async def _record(self, address: Address, details: Payloads | None) -> HeartbeatResponse:
        requests = ActivityRequests(self._service, address, identity=self._identity)
        with translated(address.execution):
            return await in_time(requests.heartbeat(details))

    async def _to_be_sent(self, callback: Callback, details: bytes | None) -> Payloads | None:
        if details is not None:
            details = await decrypt_body(self._cipher, callback, details)
        given = await self._encode(callback, details, Use.DELIVERY)
        if given is None:
            return await self._recorded.find(callback)
        self._recorded.forget(callback)
        return given

    async def _encode(self, callback: Callback, details: bytes | None, use: Use) -> Payloads | None:
        if details is None:
            return None
        if relays_json(self._encoder.converter):
            encoded = as_payloads(details)
        else:
            in_context = contextual(self._encoder.converter, to_terms(callback))
            make = partial(to_payloads, in_context, raw_values(details))
            encoded = await self._encoder.run(make, callback.id, use)
        if encoded is not None:
            await self._limits.check(callback.ref.namespace, encoded)
        return encoded


class _Recorded:
    """A cache of recorded details."""

    def __init__(self, service: WorkflowService) -> None:
        """Ask `service`."""
        self._service = service
        self._known: dict[tuple[CallbackId, datetime], Payloads | None] = {}

    async def find(self, callback: Callback) -> Payloads | None:
        """Return the details of the latest heartbeat of the activity; `None` if there are none.

        Raises:
            ActivityGoneError: The activity no longer waits.
            TemporalMisconfiguredError: The server does not know the namespace.
            TemporalUnreachableError: No reply.
        """
        attempt = callback.id, callback.attempt_started_at
        if attempt in self._known:
            return self._known[attempt]
        with translated(callback.ref):
            details = await recorded_details(self._service, callback.ref)
        is_small = details is None or details.ByteSize() <= _LARGEST
        # Before that, the attempt's own code may record more.
        if is_small and callback.submitted_at is not None:
            self._keep(attempt, details)
        return details

    def forget(self, callback: Callback) -> None:
        """Drop the cached details, since others were recorded."""
        self._known.pop((callback.id, callback.attempt_started_at), None)

    def _keep(self, attempt: tuple[CallbackId, datetime], details: Payloads | None) -> None:
        if len(self._known) >= _MOST:
            del self._known[next(iter(self._known))]
        self._known[attempt] = details
