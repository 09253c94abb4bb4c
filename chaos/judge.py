"""The judge: compares the ledger and every reply with every history.

It knows the promises, but not how they are implemented.
"""

from collections.abc import Iterator
from typing import Final

from chaos.evidence import Evidence, Finding, Harm
from chaos.histories import Execution, Story
from chaos.judge_events import judge_events, judge_messages_of_queue
from chaos.judge_messages import judge_messages
from chaos.judge_votes import judge_votes
from chaos.ledger import Entry
from chaos.outside import ReceivedLink
from chaos.senders import Reply, Sent
from chaos.values import question_of

_IDENTITY = "ringback/"
_CONFLICT, _GONE = 409, 410
_WAYS: Final = {"event": judge_events, "queue": judge_messages_of_queue}


def judge(evidence: Evidence) -> list[Finding]:
    """Return all findings."""
    found: list[Finding] = []
    for callback_id, asked in evidence.asked.items():
        entry = evidence.ledger.get(callback_id)
        judge_way = _WAYS.get(evidence.scripts[asked.key].way)
        if entry is not None and judge_way is not None:
            found += judge_way(entry, asked.sent, evidence.events)
            continue
        found += _judge_replies(evidence, asked, entry, callback_id=callback_id)
        if entry is not None and asked.ballots:
            found += judge_votes(entry, asked.ballots)
    voted = {one.workflow_id for one in evidence.scripts.values() if one.is_voted}
    for entry in evidence.ledger.values():
        found += _judge_entry(evidence, entry)
        if entry.workflow_id in voted:
            found += judge_messages(evidence, entry)
    for key, script in evidence.scripts.items():
        found += _judge_question(evidence, key, evidence.stories[script.workflow_id])
    return found


def _judge_replies(
    evidence: Evidence, asked: ReceivedLink, entry: Entry | None, *, callback_id: str
) -> Iterator[Finding]:
    kept = list(evidence.kept(callback_id))
    if len(kept) > 1:
        values = [sent.answer.value for sent in kept]
        yield Finding(Harm.DOUBLE, callback_id, f"two answers are said to be kept: {values}")
    if entry is None:
        harm = Harm.LOST if kept else Harm.WRONG
        yield Finding(harm, callback_id, "the ledger does not know it")
        return
    if kept and entry.outcome_id is None:
        yield Finding(Harm.LOST, callback_id, f"{kept[0].answer.value} is not in the ledger")
    for sent in asked.sent:
        if sent.open:
            yield Finding(Harm.UNDECIDED, callback_id, f"{sent.answer.value} got no final reply")
        for reply in sent.replies:
            if not _fits(reply, sent, entry):
                told = f"{sent.answer.value} was told {reply}"
                text = f"{told}, but the ledger says {entry.state} with {entry.values}"
                yield Finding(Harm.WRONG, callback_id, text)


def _fits(reply: Reply, sent: Sent, entry: Entry) -> bool:
    """Return whether a reply agrees with the ledger at the end."""
    is_winner = sent.answer.value in entry.values
    if reply.is_kept:
        return is_winner and reply.callback_id == entry.callback_id
    if reply.status == _CONFLICT:
        return bool(entry.outcome_id) and not is_winner
    if reply.status == _GONE:
        return entry.state == "superseded" if entry.outcome_id else entry.state == "expired"
    return False


def _judge_entry(evidence: Evidence, entry: Entry) -> Iterator[Finding]:
    if entry.state in {"open", "accepted", "parked"}:
        yield _find_unsettled(evidence, entry)
    if entry.outcome_id is None:
        return
    if len(entry.verdicts) > 1:
        yield Finding(Harm.DOUBLE, entry.callback_id, f"verdicts {entry.verdicts}")
    elif entry.state not in {"accepted", *entry.verdicts}:
        yield Finding(Harm.WRONG, entry.callback_id, f"{entry.state}, but {entry.verdicts}")
    if len(entry.values) != 1:
        yield Finding(Harm.WRONG, entry.callback_id, f"the ledger holds {entry.values}")
        return
    yield from _judge_end(evidence, entry, entry.values[0])


def _find_unsettled(evidence: Evidence, entry: Entry) -> Finding:
    """Judge an unsettled outcome: a retryable failure without proof may be parked."""
    why = entry.proof.get("reason") or entry.last_error or "nobody says why"
    is_beyond_proof = entry.state == "parked" and _is_retried(evidence, entry.values)
    harm = Harm.UNPROVEN if is_beyond_proof else Harm.UNDECIDED
    seen = [place for value in entry.values for place in _places(evidence, value)]
    in_truth = f"; in truth it {' and '.join(seen)}" if seen else ""
    return Finding(harm, entry.callback_id, f"{entry.values} is {entry.state}: {why}{in_truth}")


def _places(evidence: Evidence, value: str) -> list[str]:
    """Return the observed effects of an answer."""
    places = [f"closed {one.key}" for one in evidence.closed_with.get(value, ())]
    ended = evidence.ended_with.get(value, ())
    return places + [f"ended attempt {attempt} of {key}" for key, attempt in ended]


def _is_retried(evidence: Evidence, values: list[str]) -> bool:
    """Return whether an answer is a failure that Temporal retries."""
    return any(
        not sent.answer.is_final for value in values for sent in evidence.sent.get(value, ())
    )


def _judge_end(evidence: Evidence, entry: Entry, value: str) -> Iterator[Finding]:
    closed, places = evidence.closed_with.get(value, []), _places(evidence, value)
    if len(places) > 1:
        yield Finding(Harm.DOUBLE, entry.callback_id, f"{value} {' and '.join(places)}")
    elif places and entry.state == "superseded":
        yield Finding(Harm.WRONG, entry.callback_id, f"{entry.state}, but {value} {places[0]}")
    elif entry.state == "applied" and not _is_used(evidence, value):
        yield _find_missing(evidence, entry, value)
    elif entry.state != "applied" and value in evidence.attempts_with:
        text = f"{entry.state}, but attempts {evidence.attempts_with[value]} continued with {value}"
        yield Finding(Harm.WRONG, entry.callback_id, text)
    elif entry.state == "superseded" and not _has_ended(evidence, value):
        text = f"superseded, but the activity of {value} had not ended"
        yield Finding(Harm.WRONG, entry.callback_id, text)
    if len(closed) == 1 and not _is_closed_by(closed[0], entry):
        text = f"{value} closed {closed[0].key} as {closed[0].how} by {closed[0].identity}"
        yield Finding(Harm.WRONG, entry.callback_id, f"{text}; the ledger: {entry.proof}")


def _is_used(evidence: Evidence, value: str) -> bool:
    """Return whether an answer had its effect: it ended an attempt, or one continued with it."""
    if evidence.is_resumed(question_of(value)):
        return value in evidence.attempts_with
    return bool(_places(evidence, value))


def _find_missing(evidence: Evidence, entry: Entry, value: str) -> Finding:
    """Judge an outcome with the verdict applied that no history shows."""
    key = question_of(value)
    if evidence.is_resumed(key) and key in evidence.executions and _may_be_unused(evidence, value):
        text = f"{value} is said to be continued with; its worker was killed at that moment"
        return Finding(Harm.UNPROVEN, entry.callback_id, text)
    if (
        _is_retried(evidence, [value])
        and key in evidence.executions
        and not evidence.is_fully_seen(key)
    ):
        text = f"{value} is said to have ended an attempt; how that ended was not seen"
        return Finding(Harm.UNPROVEN, entry.callback_id, text)
    return Finding(Harm.LOST, entry.callback_id, f"applied, but no history shows {value}")


def _may_be_unused(evidence: Evidence, value: str) -> bool:
    """Return whether no attempt follows one that is killed when it begins to continue.

    After a retryable failure the next attempt asks again, and the activity may end meanwhile.
    """
    execution = evidence.executions[question_of(value)]
    return _is_retried(evidence, [value]) or not execution.ends_with_answer


def _has_ended(evidence: Evidence, value: str) -> bool:
    execution = evidence.executions.get(question_of(value))
    if execution is None:
        return False
    is_over = any(
        execution.key in story.executions and story.end for story in evidence.stories.values()
    )
    return execution.how is not None or is_over


def _is_closed_by(execution: Execution, entry: Entry) -> bool:
    """Return whether an activity was closed by this outcome or by the worker that got it inline."""
    is_ours = execution.identity == f"{_IDENTITY}{entry.outcome_id}"
    is_handed = execution.identity.startswith("worker-")
    return execution.how == entry.kind and (is_ours or is_handed)


def _judge_question(evidence: Evidence, key: str, story: Story) -> Iterator[Finding]:
    if story.end is None:
        yield Finding(Harm.UNDECIDED, key, "its workflow has not ended")
    execution = story.executions.get(key)
    if execution is None:
        return
    if execution.identity.startswith(_IDENTITY):
        entry = evidence.by_outcome.get(execution.identity.removeprefix(_IDENTITY))
        if entry is None or execution.values != entry.values:
            text = f"{execution.identity} closed it with {execution.values}, the ledger: {entry}"
            yield Finding(Harm.WRONG, key, text)
    ended = [value for values in evidence.ended(key).values() for value in values or ()]
    for value in {*execution.values, *ended}:
        if question_of(value) != key:
            yield Finding(Harm.WRONG, key, f"it received {value}, which answers another question")
        if not any(sent.is_kept for sent in evidence.sent.get(value, ())):
            yield Finding(Harm.WRONG, key, f"it received {value}, which nobody was told is kept")
    if evidence.is_resumed(key):
        yield from _judge_continued(evidence, execution)
    if story.received is not None:
        yield from _judge_received(evidence, execution, story.received.get(key))


def _judge_continued(evidence: Evidence, execution: Execution) -> Iterator[Finding]:
    """Compare what the code behind the wait recorded with the ledger and with its end."""
    applied = {
        value
        for entry in evidence.ledger.values()
        if entry.state == "applied"
        for value in entry.values
    }
    key = execution.key
    for one in evidence.continued:
        if one.key == key and one.value not in applied:
            text = f"attempt {one.attempt} continued with {one.value}, which is not applied"
            yield Finding(Harm.WRONG, key, text)
    if execution.how != "completed":
        return
    # The last attempt completed it, with the value that it continued with.
    if not any(execution.attempt in evidence.attempts_with[value] for value in execution.values):
        text = f"attempt {execution.attempt} returned {execution.values}, with which it did not"
        yield Finding(Harm.WRONG, key, f"{text} continue: {dict(evidence.attempts_with)}")


def _judge_received(
    evidence: Evidence, execution: Execution, received: tuple[str, list[str]] | None
) -> Iterator[Finding]:
    is_withdrawn = evidence.scripts[execution.key].mode == "withdrawn"
    if is_withdrawn and received == ("canceled", []):
        return
    expected = (execution.how, execution.values if execution.ends_with_answer else [])
    if received != expected:
        text = f"the workflow received {received}, history says {expected}"
        yield Finding(Harm.WRONG, execution.key, text)
