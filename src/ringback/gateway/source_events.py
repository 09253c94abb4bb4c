"""What a stored request of a source or queue means by the rules of today."""

from collections.abc import Sequence

from ringback.core.queue_messages import ALIAS_HEADER
from ringback.domain.event import EventRecord, EventState
from ringback.domain.event_errors import CannotReplayError
from ringback.gateway.source_door import SourceDoor
from ringback.ports.events import NewEvent
from ringback.sources.outcomes import to_new_events
from ringback.sources.source_event import SourceEvent


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
