"""Activities on a real Temporal server."""

from collections.abc import Sequence
from typing import Final

from temporalio.client import Client

from ringback.domain.activity_state import ActivityState, Pending
from ringback.domain.callback import ActivityExecution, Callback
from ringback.domain.outcome import Completed, Outcome
from ringback.domain.terms import Terms, to_terms
from ringback.temporal.activity_lookup import ActivityLookup
from ringback.temporal.encoder import Encoder, Use
from ringback.temporal.encoding import Encoded, encode, relays_json
from ringback.temporal.limits import Limits
from ringback.temporal.namespaces import Namespaces
from ringback.temporal.requests import ActivityRequests, Address
from ringback.temporal.rpc import in_time, translated
from ringback.temporal.signature import SPECIMEN, signed

_WRAPPER: Final = 1024
"""More than the envelope of a relayed result: below it, a result need not be encoded to check."""


class TemporalActivities:
    """`Activities` through a client of the SDK."""

    def __init__(self, client: Client, encoder: Encoder | None = None) -> None:
        """Use the connection and the converter of `client`, for activities of all namespaces.

        The converter runs in `encoder`, or in a new one.
        """
        self._service = client.workflow_service
        self._encoder = encoder or Encoder(client.data_converter)
        self._is_relayed = relays_json(client.data_converter)
        self._limits = Limits(client)
        self._lookup = ActivityLookup(client.workflow_service)
        self._namespaces = Namespaces(client.workflow_service)

    async def run(self) -> None:
        """Refresh the limits of namespaces until canceled; optional."""
        await self._limits.run()

    async def check(self, terms: Terms, outcome: Outcome) -> None:
        if self._is_surely_taken(terms.namespace, outcome):
            return
        encoded = await encode(self._encoder, terms, outcome, use=Use.CHECK)
        to_be_sent = signed(encoded, SPECIMEN, is_standalone=terms.is_standalone)
        await self._limits.check(terms.namespace, to_be_sent)

    def _is_surely_taken(self, namespace: str, outcome: Outcome) -> bool:
        if not self._is_relayed or not isinstance(outcome, Completed):
            return False
        return self._limits.allow(namespace, len(outcome.result or b"") + _WRAPPER)

    async def encode(self, callback: Callback, outcome: Outcome) -> Encoded:
        return await encode(self._encoder, to_terms(callback), outcome, use=Use.DELIVERY)

    async def deliver_to_attempt(
        self, callback: Callback, encoded: object, *, identity: str
    ) -> None:
        assert callback.task_token is not None, "check callback.task_token first"
        to_be_sent = await self._signed(callback, encoded, identity)
        await self._end(Address(callback.ref, callback.task_token), to_be_sent, identity)

    async def deliver(self, callback: Callback, encoded: object, *, identity: str) -> None:
        to_be_sent = await self._signed(callback, encoded, identity)
        await self._end(Address(callback.ref), to_be_sent, identity)

    async def _signed(self, callback: Callback, encoded: object, identity: str) -> Encoded:
        # Checked again after acceptance: the limit may have been a guess while Temporal was away,
        # or changed since, and a default answer is checked only here.
        assert isinstance(encoded, Encoded), "`encode` returned it"
        to_be_sent = signed(encoded, identity, is_standalone=callback.ref.is_standalone)
        await self._limits.check_to_send(callback.ref.namespace, to_be_sent)
        return to_be_sent

    async def _end(self, address: Address, encoded: Encoded, identity: str) -> None:
        requests = ActivityRequests(self._service, address, identity=identity)
        with translated(address.execution):
            await in_time(requests.end(encoded))

    async def poll(self, refs: Sequence[ActivityExecution]) -> Sequence[Pending | None]:
        return await self._lookup.poll(refs)

    async def resolve(self, ref: ActivityExecution) -> ActivityState:
        (found,) = await self._lookup.resolve_all([ref])
        return found

    async def resolve_all(self, refs: Sequence[ActivityExecution]) -> Sequence[ActivityState]:
        return await self._lookup.resolve_all(refs)

    async def check_server(self, callback: Callback) -> None:
        await self._namespaces.check(callback)

    async def find_after_reset(self, ref: ActivityExecution) -> ActivityExecution | None:
        return await self._lookup.find_after_reset(ref)
