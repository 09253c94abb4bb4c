"""Apply the rules of a source: to a request that is only tried, and to a stored one again."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from ringback.core.queue_messages import ALIAS_HEADER
from ringback.domain.alias import Alias
from ringback.domain.callback import Callback
from ringback.domain.errors import AnswerTooLargeError, RingbackError
from ringback.domain.event import EventRecord, EventState
from ringback.domain.event_errors import AliasFreedError, CannotReplayError
from ringback.domain.ids import CallbackId
from ringback.gateway.gateway import Gateway
from ringback.gateway.source_door import SourceDoor
from ringback.ports.events import NewEvent
from ringback.schemas.responses import ResultProblemOut
from ringback.schemas.sources import (
    SourceTestOut,
    TestedCallbackOut,
    TestedEventOut,
    VerificationOut,
)
from ringback.sources.config import Source
from ringback.sources.outcomes import to_new_events
from ringback.sources.rules import Action, Ignored, Match, RuleFailed, RuleOutcome, apply_rules
from ringback.sources.source_event import SourceEvent
from ringback.sources.verdict import IncomingRequest, Refusal, Verified


def interpret_again(door: SourceDoor, record: EventRecord, *, limit: int) -> Sequence[NewEvent]:
    """Return the events of the request of `record`, at least one.

    Args:
        door: The sources and queues.
        record: The event.
        limit: The largest body of an answer, in bytes.

    Raises:
        CannotReplayError: Its source or queue is not configured now, or may not answer.
    """
    name = record.event.source
    found = door.sources.get(name) or door.queues.get(name)
    if found is None:
        msg = (
            f"the source {name!r} is not configured now; write [sources.{name}] or [queues.{name}]"
            " again"
        )
        raise CannotReplayError(msg)
    if name not in door.sources and not door.queues[name].trusted:
        msg = f"the queue {name!r} is not trusted, so its messages need a link; publish it again"
        raise CannotReplayError(msg)
    if record.body is None:
        msg = "its body was dropped after RINGBACK_DROP_BODIES_AFTER; let the sender send it again"
        raise CannotReplayError(msg)
    request = SourceEvent(record.body, record.headers)
    events = to_new_events(found, request, limit=limit, new_id=door.new_event_id)
    event = record.event
    is_named = ALIAS_HEADER in record.headers or events[0].state is EventState.IGNORED
    if name in door.queues and event.alias and is_named:
        # The message named the alias itself.
        waits = EventState.WAITING
        return [NewEvent(event.id, waits, event.action, event.alias, record.answer, wait=found.ttl)]
    return events


_MOST_CHECKED: Final = 10
"""How many results are checked: a check may take half a second."""


@dataclass(frozen=True, slots=True)
class SourceTrial:
    """A request to try on a source.

    Attributes:
        gateway: The gateway.
        source: The source.
        headers: The headers; without any, the signature is not checked.
        body: The body.
    """

    gateway: Gateway
    source: Source
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    async def run(self) -> SourceTestOut:
        """Return what the source would do.

        Raises:
            AnswerTooLargeError: The body is longer than the gateway accepts.
            StoreUnavailableError: The callbacks cannot be read; retry.
        """
        if len(self.body) > self.gateway.body_limit:
            raise AnswerTooLargeError(self.gateway.body_limit)
        # A certificate may have to be fetched, and a body may have a thousand events.
        verification = await asyncio.to_thread(self._verify)
        outcomes = await asyncio.to_thread(self._apply_rules)
        callbacks = await self._find([one.alias for one in outcomes if isinstance(one, Match)])
        events = [
            await self._to_event(one, callbacks, is_checked=place < _MOST_CHECKED)
            for place, one in enumerate(outcomes)
        ]
        return SourceTestOut(verification=verification, events=events)

    def _verify(self) -> VerificationOut:
        if not self.headers:
            said = "the signature was not checked: give the headers of the request"
            return VerificationOut(state="not checked", reason=None, message=said)
        url = f"{self.gateway.public_url}/in/{self.source.name}"
        raw = [(name.encode(), value.encode()) for name, value in self.headers.items()]
        incoming = IncomingRequest("POST", url, raw, self.body)
        match self.source.verifier.verify(incoming, self.gateway.clock.now()):
            case Refusal(reason=reason, message=message):
                return VerificationOut(state="refused", reason=reason.value, message=message)
            case Verified(secret_index=index):
                said = f"the secret {index + 1} of {len(self.source.secrets)} fits"
                return VerificationOut(state="verified", reason=None, message=said)

    def _apply_rules(self) -> Sequence[RuleOutcome]:
        named = {name.lower(): value for name, value in self.headers.items()}
        kept = {name: value for name, value in named.items() if name in self.source.headers}
        limit = self.gateway.body_limit
        event = SourceEvent(self.body, kept)
        return apply_rules(self.source.rules, event, batch=self.source.batch, limit=limit)

    async def _find(self, aliases: Sequence[Alias]) -> Mapping[str, Callback]:
        """Return the callback that each alias leads to, or led to last."""
        found = await self.gateway.alias_service.find(aliases)
        ids: dict[str, CallbackId] = {}
        for alias, one in zip(aliases, found, strict=True):
            if isinstance(one, AliasFreedError):
                ids[alias.text] = one.callback_id
            elif not isinstance(one, RingbackError):
                ids[alias.text] = one
        callbacks = await self.gateway.store.find(sorted(set(ids.values())))
        return {alias: callbacks[id_] for alias, id_ in ids.items() if id_ in callbacks}

    async def _to_event(
        self, outcome: RuleOutcome, callbacks: Mapping[str, Callback], *, is_checked: bool
    ) -> TestedEventOut:
        match outcome:
            case Match(rule=rule, action=action, alias=alias, body=body):
                callback = callbacks.get(alias.text)
                problems: list[ResultProblemOut] = []
                if callback is not None and is_checked and action is Action.COMPLETE:
                    problems = await self.gateway.find_problems(callback, body)
                return TestedEventOut(
                    state="waiting",
                    rule=rule,
                    action=action.value,
                    alias=alias.text,
                    answer=None if body is None else body.decode("utf-8", "replace"),
                    reason=None,
                    callback=None
                    if callback is None
                    else TestedCallbackOut(
                        id=callback.id, state=callback.state.value, problems=problems
                    ),
                )
            case Ignored(rule=rule, reason=reason):
                return _unused("ignored", rule, reason)
            case RuleFailed(rule=rule, reason=reason):
                return _unused("dead", rule, reason)


def _unused(state: Literal["ignored", "dead"], rule: int | None, reason: str) -> TestedEventOut:
    return TestedEventOut(
        state=state, rule=rule, action=None, alias=None, answer=None, reason=reason, callback=None
    )
