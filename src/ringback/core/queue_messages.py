"""What a message of a queue means: an answer by link, an event, or a dead letter.

A link is its own credential. An alias and a rule need a queue that is trusted: whoever can publish
to it can answer every callback whose alias they know.
"""

import json
import traceback
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from pathlib import PurePath
from typing import Final, NoReturn, TypeAlias

from ringback.core.answers import AnswerService
from ringback.core.events import REPLACEMENT, to_reason
from ringback.core.heartbeats import HeartbeatService
from ringback.core.services import caught
from ringback.domain.alias import Alias
from ringback.domain.errors import (
    AnsweredDifferentlyError,
    RetryableError,
    RingbackError,
    TemporalUnreachableError,
    UnknownCallbackError,
)
from ringback.domain.event import EventState
from ringback.domain.ids import EventId
from ringback.domain.link import Keyring, Link, Verb
from ringback.domain.outcome import Outcome
from ringback.ports.clock import Clock
from ringback.ports.events import NewEvent, SourceDelivery
from ringback.ports.queue import QueueMessage

LINK_HEADER: Final = "ringback-link"
ALIAS_HEADER: Final = "ringback-alias"
ACTION_HEADER: Final = "ringback-action"

LARGEST_DEAD: Final = 64 * 1024
"""How many bytes of a body over the limit are stored."""

_ACTIONS: Final = {
    "complete": Verb.COMPLETE,
    "fail": Verb.FAIL,
    "cancel": Verb.CANCEL,
    "heartbeat": Verb.HEARTBEAT,
}

_PATH: Final = "/c/"
_REFUSED: Final = "the link is edited, expired, revoked, or does not allow this action"

ReadAnswer: TypeAlias = Callable[[Verb, bytes], Awaitable[tuple[bytes | None, Outcome | None]]]
"""Returns the JSON of a body, and the outcome that it is unless the verb is `HEARTBEAT`."""

ToEvents: TypeAlias = Callable[[bytes, Mapping[str, str]], Awaitable[Sequence[NewEvent]]]
"""Returns the events that rules see in a body and its headers."""


@dataclass(frozen=True, slots=True)
class QueueRules:
    """How the messages of one queue are read.

    Attributes:
        name: The name of the queue, which events show as their source.
        is_trusted: Whether messages may answer by alias and by rules.
        headers: The headers to keep with events, by lower-case name.
        ttl: How long an event waits for its alias.
        to_events: Applies the rules for messages that name no callback; `None` without rules.
    """

    name: str
    is_trusted: bool
    headers: frozenset[str]
    ttl: timedelta
    to_events: ToEvents | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class ToStore:
    """What must be stored before a message is acknowledged.

    Attributes:
        delivery: The message with its events.
        dead: Why it can never be used, for the log: it has no part of the message.
    """

    delivery: SourceDelivery
    dead: str | None = None


class _UnusableMessageError(Exception):
    """A message can never be used.

    Attributes:
        log: What the log says instead of the text.
    """

    def __init__(self, reason: str, *, log: str | None = None) -> None:
        super().__init__(reason)
        self.log = log or reason


class MessageReader:
    """Answers callbacks with the messages of one queue."""

    def __init__(  # noqa: PLR0917 - each is a part of the way
        self,
        rules: QueueRules,
        answers: AnswerService,
        heartbeats: HeartbeatService,
        keyring: Keyring,
        read_answer: ReadAnswer,
        *,
        namespace: str,
        body_limit: int,
        new_event_id: Callable[[], EventId],
        clock: Clock,
    ) -> None:
        """Read messages by `rules`; a body has at most `body_limit` bytes."""
        self._rules = rules
        self._answers = answers
        self._heartbeats = heartbeats
        self._keyring = keyring
        self._read_answer = read_answer
        self._namespace = namespace
        self._body_limit = body_limit
        self._new_event_id = new_event_id
        self._clock = clock

    async def read(self, message: QueueMessage) -> ToStore | None:
        """Answer with `message`, or return what must be stored; `None`: the answer is committed.

        Raises:
            RetryableError: It can be neither used nor refused now; read it again.
        """
        result = await caught(self._use(message))
        match result:
            case RetryableError():
                raise result
            case AnsweredDifferentlyError():
                # It is stored as evidence.
                return None
            case _UnusableMessageError():
                return self._dead(message, str(result), log=result.log)
            case RingbackError():
                return self._dead(message, to_reason(result), log=type(result).__name__)
            case Exception():
                # Its text may have a part of the message.
                reason = f"unexpected error: {type(result).__name__}"
                return self._dead(message, reason, log=f"{reason} at {place_of(result)}")
            case _:
                return result

    async def _use(self, message: QueueMessage) -> ToStore | None:
        size = len(message.body)
        if size > self._body_limit:
            _refuse(
                f"the body has {size:,} bytes and at most {self._body_limit:,} are accepted; the"
                f" first {LARGEST_DEAD:,} are stored"
            )
        link, alias = message.headers.get(LINK_HEADER), message.headers.get(ALIAS_HEADER)
        if link is not None and alias is not None:
            _refuse(f"it has both {LINK_HEADER} and {ALIAS_HEADER}; send one of these headers")
        if link is not None:
            await self._answer(link, message)
            return None
        if not self._rules.is_trusted:
            _refuse(
                f"it has no header {LINK_HEADER}, and nothing else names a callback: this queue is"
                " not trusted"
            )
        if alias is not None:
            return self._to_store(message, [await self._to_event(alias, message)])
        if self._rules.to_events is None:
            _refuse(f"it has no header {LINK_HEADER} or {ALIAS_HEADER}, and there are no rules")
        kept = {name: text for name, text in message.headers.items() if name in self._rules.headers}
        return self._to_store(message, await self._rules.to_events(message.body, kept))

    async def _answer(self, link: str, message: QueueMessage) -> None:
        verb = _find_verb(message)
        verified = self._verify(link, verb)
        id_, serial = verified.callback_id, verified.serial
        try:
            body, outcome = await self._read_answer(verb, message.body)
            if outcome is None:
                await self._heartbeat(verified, body)
            else:
                await self._answers.accept(id_, outcome, serial=serial)
        except (RetryableError, AnsweredDifferentlyError):
            raise
        except RingbackError as exc:
            # An unknown callback has no text.
            reason = f"{id_}: {to_reason(exc) or _REFUSED}"
            raise _UnusableMessageError(reason, log=f"{id_}: {type(exc).__name__}") from exc

    async def _heartbeat(self, link: Link, details: bytes | None) -> None:
        try:
            await self._heartbeats.heartbeat(link.callback_id, details, serial=link.serial)
        except TemporalUnreachableError:
            # It is stored, and goes to the next attempt.
            return

    def _verify(self, link: str, verb: Verb) -> Link:
        text = link.strip().rpartition(_PATH)[2]
        try:
            return self._keyring.verify(text, verb=verb, now=self._clock.now())
        except UnknownCallbackError:
            key_id = self._keyring.unknown_key_id(text)
            if key_id is None:
                _refuse(_REFUSED)
            _refuse(f"the link is signed by the key {key_id}, which this gateway does not have")

    def _is_link(self, text: str) -> bool:
        return any(self._allows(text.strip().rpartition(_PATH)[2], verb) for verb in Verb)

    def _allows(self, link: str, verb: Verb) -> bool:
        try:
            self._keyring.verify(link, verb=verb, now=self._clock.now())
        except UnknownCallbackError:
            return False
        return True

    async def _to_event(self, alias: str, message: QueueMessage) -> NewEvent:
        verb = _find_verb(message)
        if self._is_link(alias):
            _refuse(f"{ALIAS_HEADER} has a link; send it as {LINK_HEADER}")
        try:
            text = Alias(alias).text
        except ValueError as exc:
            _refuse(f"{ALIAS_HEADER}: {exc}")
        body, _ = await self._read_answer(verb, message.body)
        id_ = self._new_event_id()
        return NewEvent(id_, EventState.WAITING, verb, text, body, wait=self._rules.ttl)

    def _dead(self, message: QueueMessage, reason: str, *, log: str) -> ToStore:
        event = NewEvent(self._new_event_id(), EventState.DEAD, reason=reason)
        return self._to_store(message, [event], log=log)

    def _to_store(
        self, message: QueueMessage, events: Sequence[NewEvent], *, log: str | None = None
    ) -> ToStore:
        dead = [one.reason or "" for one in events if one.state is EventState.DEAD]
        is_dead = len(dead) == len(events)
        body = message.body
        if len(body) > self._body_limit:
            body = body[:LARGEST_DEAD]
        # A link is a credential.
        kept = (self._rules.headers | {ALIAS_HEADER, ACTION_HEADER}) - {LINK_HEADER}
        headers = {
            name: text
            for name, text in message.headers.items()
            if name in kept and not self._is_link(text)
        }
        # Messages without a key may be equal, such as heartbeats. A message that was dead is used
        # when it comes again and the reason is gone.
        key = message.key or ("" if is_dead else events[0].id)
        facts = [self._rules.name, key, sorted(headers.items()), dead if is_dead else []]
        delivery = SourceDelivery(
            namespace=self._namespace,
            source=self._rules.name,
            digest=sha256(json.dumps(facts).encode() + b"\0" + body).hexdigest(),
            delivery_key=None if message.key is None else _to_stored(message.key),
            headers={name: _to_stored(text) for name, text in headers.items()},
            body=body,
            events=events,
        )
        return ToStore(delivery, (log or dead[0]) if is_dead else None)


def place_of(error: Exception) -> str:
    """Return where `error` was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{PurePath(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "?"


def _refuse(reason: str) -> NoReturn:
    raise _UnusableMessageError(reason)


def _find_verb(message: QueueMessage) -> Verb:
    verb = _ACTIONS.get(message.headers.get(ACTION_HEADER, "complete"))
    if verb is None:
        _refuse(f"{ACTION_HEADER} must be one of {', '.join(_ACTIONS)}")
    return verb


def _to_stored(text: str) -> str:
    """Return `text` as every database stores it."""
    return text.replace("\0", REPLACEMENT)
