"""The judge of events and messages: compares what was acknowledged with the ledger."""

from collections.abc import Iterator, Mapping, Sequence

from chaos.evidence import Finding, Harm
from chaos.ledger import Entry
from chaos.senders import Sent
from chaos.webhooks import StoredEvent


def judge_events(
    entry: Entry, sent: Sequence[Sent], events: Mapping[str, Sequence[StoredEvent]]
) -> Iterator[Finding]:
    """Yield all findings about the events for one callback."""
    for one in sent:
        value = one.answer.value
        stored = events.get(value, ())
        if one.open:
            text = f"the event {value} got no final reply"
            yield Finding(Harm.UNDECIDED, entry.callback_id, text)
        if one.is_kept and not stored:
            yield Finding(Harm.LOST, entry.callback_id, f"the event {value} is not stored")
        if len(stored) > 1:
            text = f"the event {value} is stored {len(stored)} times"
            yield Finding(Harm.DOUBLE, entry.callback_id, text)
        for reply in one.replies:
            if not reply.is_kept:
                text = f"the event {value} was told {reply}"
                yield Finding(Harm.WRONG, entry.callback_id, text)
        for event in stored:
            yield from _judge_event(entry, value, event)


def judge_messages_of_queue(
    entry: Entry, sent: Sequence[Sent], events: Mapping[str, Sequence[StoredEvent]]
) -> Iterator[Finding]:
    """Yield all findings about messages that answer one callback by link.

    Each is the answer of the callback, evidence of another answer, or a dead letter.
    """
    for one in sent:
        value = one.answer.value
        dead = events.get(value, ())
        if one.open:
            text = f"the message {value} was not confirmed by the broker"
            yield Finding(Harm.UNDECIDED, entry.callback_id, text)
        if one.is_kept and not (value in entry.values or value in entry.differed or dead):
            text = f"the message {value} is neither an answer, nor evidence, nor a dead letter"
            yield Finding(Harm.LOST, entry.callback_id, text)
        for event in dead:
            if event.state != "dead" or not _is_over(entry):
                text = f"the message {value} is {event.state} ({event.reason})"
                yield Finding(Harm.WRONG, entry.callback_id, f"{text}, the callback {entry.state}")


def _judge_event(entry: Entry, value: str, event: StoredEvent) -> Iterator[Finding]:
    is_answer = value in entry.values
    told = f"the event {value} is {event.state} ({event.reason}), the callback {entry.state}"
    if event.state == "waiting" and event.has_alias:
        yield Finding(Harm.UNDECIDED, entry.callback_id, told)
    elif event.state == "matched":
        if not is_answer or event.callback_id != entry.callback_id:
            text = f"{told} with {entry.values}; it led to {event.callback_id}"
            yield Finding(Harm.WRONG, entry.callback_id, text)
    elif is_answer:
        # A gateway that was killed between the answer and the end of the event leads it again.
        yield Finding(Harm.WRONG, entry.callback_id, f"{told} with it")
    elif event.state == "dead" or (event.state in {"ignored", "unmatched"} and not _is_over(entry)):
        yield Finding(Harm.WRONG, entry.callback_id, told)


def _is_over(entry: Entry) -> bool:
    return entry.outcome_id is not None or entry.state == "expired"
