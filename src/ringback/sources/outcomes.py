"""What rules decide about an event, as the event that is stored."""

from datetime import timedelta

from ringback.domain.event import EventState
from ringback.domain.ids import EventId
from ringback.domain.link import Verb
from ringback.ports.events import NewEvent
from ringback.sources.rules import Ignored, Match, RuleFailed, RuleOutcome


def to_new_event(outcome: RuleOutcome, id_: EventId, *, ttl: timedelta) -> NewEvent:
    """Return the event with this id; it waits for its alias for at most `ttl`."""
    match outcome:
        case Match(action=action, alias=alias, body=body):
            verb = Verb[action.name]
            return NewEvent(id_, EventState.WAITING, verb, alias.text, body, wait=ttl)
        case Ignored(reason=reason):
            return NewEvent(id_, EventState.IGNORED, reason=reason)
        case RuleFailed(reason=reason):
            return NewEvent(id_, EventState.DEAD, reason=reason)
