"""Heartbeats to a real Temporal server."""

from functools import partial

from temporalio.api.common.v1 import Payloads
from temporalio.api.workflowservice.v1 import (
    RecordActivityTaskHeartbeatByIdRequest,
    RecordActivityTaskHeartbeatByIdResponse,
    RecordActivityTaskHeartbeatRequest,
    RecordActivityTaskHeartbeatResponse,
)
from temporalio.client import Client

from ringback.domain.callback import Callback
from ringback.domain.terms import terms_of
from ringback.ports.activities import Pulse
from ringback.temporal.delivery import with_ids
from ringback.temporal.encoder import Encoder
from ringback.temporal.limits import Limits
from ringback.temporal.payloads import as_payloads, contextual, relays_json, to_payloads
from ringback.temporal.recorded import Recorded
from ringback.temporal.request import in_time, translated


class TemporalHeartbeats:
    """`Heartbeats` through a client of the SDK."""

    def __init__(self, client: Client, encoder: Encoder | None = None) -> None:
        """Use the connection and the converter of `client`; each activity has its own namespace.

        The converter runs in `encoder`; without one it gets its own.
        """
        self._service = client.workflow_service
        self._encoder = encoder or Encoder(client.data_converter)
        self._identity = client.identity
        self._limits = Limits(client)
        self._recorded = Recorded(client.workflow_service)

    async def check_details(self, callback: Callback, details: bytes | None) -> None:
        """See `Heartbeats.check_details`."""
        await self._encode(callback, details)

    async def heartbeat_to_attempt(self, callback: Callback, details: bytes | None) -> Pulse:
        """See `Heartbeats.heartbeat_to_attempt`."""
        assert callback.task_token is not None, "ask first whether there is one"
        request = RecordActivityTaskHeartbeatRequest(
            namespace=callback.ref.namespace,
            task_token=callback.task_token,
            identity=self._identity,
            details=await self._to_be_sent(callback, details),
        )
        with translated(callback.ref):
            answer = await in_time(self._service.record_activity_task_heartbeat, request)
        return _to_pulse(answer)

    async def heartbeat(self, callback: Callback, details: bytes | None) -> Pulse:
        """See `Heartbeats.heartbeat`."""
        ref = callback.ref
        request = RecordActivityTaskHeartbeatByIdRequest(
            identity=self._identity, details=await self._to_be_sent(callback, details)
        )
        with translated(ref):
            answer = await in_time(
                self._service.record_activity_task_heartbeat_by_id, with_ids(request, ref)
            )
        return _to_pulse(answer)

    async def _to_be_sent(self, callback: Callback, details: bytes | None) -> Payloads | None:
        given = await self._encode(callback, details)
        if given is None:
            return await self._recorded.find(callback)
        self._recorded.forget(callback)
        return given

    async def _encode(self, callback: Callback, details: bytes | None) -> Payloads | None:
        if details is None:
            return None
        if relays_json(self._encoder.converter):
            encoded = as_payloads(details)
        else:
            in_context = contextual(self._encoder.converter, terms_of(callback))
            make = partial(to_payloads, in_context, details)
            encoded = await self._encoder.run(make, callback.id)
        if encoded is not None:
            await self._limits.check(callback.ref.namespace, encoded)
        return encoded


def _to_pulse(
    answer: RecordActivityTaskHeartbeatResponse | RecordActivityTaskHeartbeatByIdResponse,
) -> Pulse:
    return Pulse(answer.cancel_requested, answer.activity_paused, answer.activity_reset)
