"""What the rules of a source or a queue decide about a body, as the events that are stored."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Protocol

from ringback.domain.event import EventState
from ringback.domain.ids import EventId
from ringback.domain.link import Verb
from ringback.ports.events import NewEvent
from ringback.sources.expressions import Expression
from ringback.sources.rules import Ignored, Match, Rule, RuleFailed, RuleOutcome, apply_rules
from ringback.sources.source_event import SourceEvent


class HasRules(Protocol):
    """What sources and queues have in common."""

    @property
    def rules(self) -> tuple[Rule, ...]:
        """What the events mean; the first that applies decides."""
        ...

    @property
    def batch(self) -> Expression | None:
        """What selects the events of one body."""
        ...

    @property
    def ttl(self) -> timedelta:
        """How long an event waits for its alias."""
        ...


def to_new_events(
    source: HasRules, event: SourceEvent, *, limit: int, new_id: Callable[[], EventId]
) -> Sequence[NewEvent]:
    """Return the events of one body, at least one; an answer has at most `limit` bytes."""
    outcomes = apply_rules(source.rules, event, batch=source.batch, limit=limit)
    return [_to_new_event(one, new_id(), ttl=source.ttl) for one in outcomes]


def _to_new_event(outcome: RuleOutcome, id_: EventId, *, ttl: timedelta) -> NewEvent:
    match outcome:
        case Match(action=action, alias=alias, body=body):
            verb = Verb[action.name]
            return NewEvent(id_, EventState.WAITING, verb, alias.text, body, wait=ttl)
        case Ignored(reason=reason):
            return NewEvent(id_, EventState.IGNORED, reason=reason)
        case RuleFailed(reason=reason):
            return NewEvent(id_, EventState.DEAD, reason=reason)
