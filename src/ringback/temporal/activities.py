"""Activities on a real Temporal server."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionResponse
from temporalio.client import Client
from temporalio.service import WorkflowService

from ringback.core.body_encryption import decrypt_outcome
from ringback.domain.activity_state import ActivityState, Ended, Pending, Unknown, only_pending
from ringback.domain.callback import ActivityExecution, Callback
from ringback.domain.errors import ActivityGoneError, TemporalUnreachableError
from ringback.domain.outcome import Completed, Outcome
from ringback.domain.terms import Terms, to_terms
from ringback.temporal import standalone
from ringback.temporal.body_cipher import CodecCipher
from ringback.temporal.describe import describe, find_listed, find_pending, to_instant, to_pending
from ringback.temporal.encoder import Encoder, Use
from ringback.temporal.encoding import SPECIMEN, Encoded, encode, relays_json, signed
from ringback.temporal.history import find_ends
from ringback.temporal.limits import NamespaceLimits
from ringback.temporal.namespaces import Namespaces
from ringback.temporal.requests import ActivityRequests, Address
from ringback.temporal.rpc import in_time, translated

_MOST: Final = 100_000


class ActivityLookup:
    """Reads the states of activities, and changes nothing."""

    def __init__(self, service: WorkflowService) -> None:
        """Ask `service`."""
        self._service = service
        #: The scheduled time of each activity, by its attempt's: describe shows only the attempt's,
        #: and history has the activity's. It is read once.
        self._scheduled: dict[ActivityExecution, datetime] = {}

    async def poll(self, refs: Sequence[ActivityExecution]) -> Sequence[Pending | None]:
        found: dict[ActivityExecution, ActivityState | None] = {}
        for ref in filter(_is_standalone, refs):
            found[ref] = await standalone.resolve(self._service, ref)
        for of_one_run in _by_run(refs):
            found |= await self._look_in_run(of_one_run)
        return [only_pending(found[ref]) for ref in refs]

    async def resolve_all(self, refs: Sequence[ActivityExecution]) -> Sequence[ActivityState]:
        """Resolve each activity, with one request per run.

        Raises:
            TemporalUnreachableError: No reply, or an activity is just ending; call again.
        """
        found: dict[ActivityExecution, ActivityState] = {}
        for ref in filter(_is_standalone, refs):
            found[ref] = await standalone.resolve(self._service, ref)
        for of_one_run in _by_run(refs):
            found |= await self._locate_in_run(of_one_run)
        return [found[ref] for ref in refs]

    async def find_after_reset(self, ref: ActivityExecution) -> ActivityExecution | None:
        """Return the activity in the workflow's latest run, if a reset moved it there.

        Raises:
            TemporalUnreachableError: No reply.
        """
        if ref.is_standalone:
            return None
        latest = replace(ref, run_id="")
        try:
            described = await describe(self._service, latest)
            moved = replace(ref, run_id=described.workflow_execution_info.execution.run_id)
            if moved == ref:
                return None
            with translated():
                (end,) = await find_ends(self._service, [moved])
        except ActivityGoneError:
            return None
        return None if isinstance(end, Unknown) else moved

    async def _look_in_run(
        self, refs: Sequence[ActivityExecution]
    ) -> dict[ActivityExecution, ActivityState | None]:
        try:
            described = await describe(self._service, refs[0])
            listed = [ref for ref in refs if find_pending(ref, described) is not None]
            located = await self._where(listed, described)
        except ActivityGoneError:
            return dict.fromkeys(refs)
        return {ref: located.get(ref) for ref in refs}

    async def _locate_in_run(
        self, refs: Sequence[ActivityExecution]
    ) -> dict[ActivityExecution, ActivityState]:
        try:
            return await self._where(refs, await describe(self._service, refs[0]))
        except ActivityGoneError as exc:
            return {ref: Unknown(str(exc)) for ref in refs}

    async def _where(
        self, refs: Sequence[ActivityExecution], described: DescribeWorkflowExecutionResponse
    ) -> dict[ActivityExecution, ActivityState]:
        """Return the states of activities in a `described` run; history decides open cases.

        Raises:
            ActivityGoneError: The run no longer exists.
            TemporalUnreachableError: No reply, or an activity is just ending; call again.
        """
        waiting = {ref: self._waiting(ref, described) for ref in refs}
        others = [ref for ref, pending in waiting.items() if pending is None]
        with translated():
            ends = await find_ends(self._service, others) if others else []
        ended = dict(zip(others, ends, strict=True))
        return {ref: waiting[ref] or self._read(ref, ended[ref], described) for ref in refs}

    def _waiting(
        self, ref: ActivityExecution, described: DescribeWorkflowExecutionResponse
    ) -> Pending | None:
        """Return the pending state if describe alone shows it."""
        listed = find_pending(ref, described)
        if listed is None:
            return None
        scheduled_at = to_instant(listed.scheduled_time)
        is_its_own = scheduled_at in {ref.scheduled_at, self._scheduled.get(ref)}
        return to_pending(listed, ref.scheduled_at) if is_its_own else None

    def _read(
        self,
        ref: ActivityExecution,
        ended: Ended | Unknown | None,
        described: DescribeWorkflowExecutionResponse,
    ) -> ActivityState:
        """Return the state of an activity that `ended`, according to history.

        Raises:
            TemporalUnreachableError: It is just ending; call again.
        """
        if ended is not None:
            listed = find_listed(ref, described)
            return _with_last_attempt(ended, listed, ref.scheduled_at)
        listed = find_pending(ref, described)
        if listed is not None:
            self._remember(ref, to_instant(listed.scheduled_time))
            return to_pending(listed, ref.scheduled_at)
        # It ended between the two requests: the next poll shows how.
        msg = "the activity is ending just now"
        raise TemporalUnreachableError(msg)

    def _remember(self, ref: ActivityExecution, scheduled_at: datetime) -> None:
        if len(self._scheduled) >= _MOST:
            self._scheduled.clear()
        self._scheduled[ref] = scheduled_at


def _by_run(refs: Iterable[ActivityExecution]) -> Iterable[Sequence[ActivityExecution]]:
    runs: dict[tuple[str, str, str], list[ActivityExecution]] = {}
    for ref in refs:
        if not ref.is_standalone:
            runs.setdefault(ref.run, []).append(ref)
    return runs.values()


def _is_standalone(ref: ActivityExecution) -> bool:
    return ref.is_standalone


def _with_last_attempt(
    ended: Ended | Unknown, listed: PendingActivityInfo | None, scheduled_at: datetime
) -> Ended | Unknown:
    # History has no event of an attempt that its closing workflow ended; describe shows it.
    if isinstance(ended, Unknown) or listed is None or not ended.is_workflow_end:
        return ended
    last = to_pending(listed, scheduled_at)
    return replace(
        ended,
        attempt=last.attempt,
        started_at=last.started_at,
        last_failure=last.last_failure,
    )


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
        self._cipher = CodecCipher(self._encoder, use=Use.DELIVERY)
        self._is_relayed = relays_json(client.data_converter)
        self._limits = NamespaceLimits(client)
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
        plain = await decrypt_outcome(self._cipher, callback, outcome)
        return await encode(self._encoder, to_terms(callback), plain, use=Use.DELIVERY)

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
