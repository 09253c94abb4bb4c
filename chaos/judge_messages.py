"""The judge of messages: compares what people were sent with the ledger."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from typing import Final

from chaos.evidence import Evidence, Finding, Harm
from chaos.ledger import Entry, Message
from chaos.receivers import CHAT, MAIL, Copy

_ENDS: Final = {
    "applied": "Applied: ",
    "superseded": "Superseded: ",
    "parked": "Accepted, not applied: ",
    "expired": "Closed without an answer: ",
    "accepted": "Accepted, not yet applied: ",
}

_PROMPT: Final = timedelta(seconds=5)
"""A question that was open for longer has a message, unless something failed meanwhile."""

_CLAIM: Final = timedelta(seconds=40)
"""How long no other gateway sends a message that one has claimed.

A try that was refused is repeated sooner, for the few tries that fit into a run.
"""


def judge_messages(evidence: Evidence, entry: Entry) -> Iterator[Finding]:
    """Yield all findings about the messages on one callback."""
    for channel in (CHAT, MAIL):
        copies = evidence.copies.get((entry.callback_id, channel), [])
        message = entry.messages.get(channel)
        if message is None:
            text = f"{channel}: nobody was to be asked"
            yield Finding(Harm.LOST, entry.callback_id, text)
            continue
        for harm, text in _find(evidence, entry, message, copies=copies):
            yield Finding(harm, entry.callback_id, f"{channel}: {text}")
    message = entry.messages.get(CHAT)
    if message is not None and message.name is not None:
        copies = evidence.copies.get((entry.callback_id, CHAT), [])
        for text in _find_stale(entry, message.name, copies):
            yield Finding(Harm.WRONG, entry.callback_id, f"{CHAT}: {text}")


def shows_end(text: str) -> bool:
    """Return whether a message says that its question has ended."""
    return any(end in text for end in _ENDS.values())


def _find(
    evidence: Evidence, entry: Entry, message: Message, *, copies: list[Copy]
) -> Iterator[tuple[Harm, str]]:
    if message.is_due:
        yield Harm.UNDECIDED, f"a message is still due: {message}"
    if message.is_sent and not copies:
        yield Harm.LOST, "the ledger says that it was sent, but it did not arrive"
    if not (message.is_sent or copies or _may_be_quiet(evidence, entry, message)):
        yield Harm.LOST, f"nobody was asked from {entry.opened_at} to {entry.ended_at}"
    for earlier, later in pairwise(copies):
        if not _is_explained(evidence, earlier, later):
            yield Harm.DOUBLE, f"sent at {earlier.at} and again at {later.at}"
    if any(shows_end(copy.shown[0]) for copy in copies):
        yield Harm.WRONG, f"somebody was asked after the end at {entry.ended_at}"
    if message.channel == MAIL and len({copy.name for copy in copies}) > 1:
        yield Harm.WRONG, "its copies have several names, so that nobody can recognize them"


def _may_be_quiet(evidence: Evidence, entry: Entry, message: Message) -> bool:
    """Return whether a question may have ended before its message was sent."""
    if entry.ended_at is None:
        return False
    tries = evidence.refused[entry.callback_id, message.channel]
    is_short = entry.ended_at - entry.opened_at <= _PROMPT + tries * _CLAIM
    return is_short or evidence.was_struck(entry.opened_at - _CLAIM, entry.ended_at)


def _is_explained(evidence: Evidence, earlier: Copy, later: Copy) -> bool:
    """Return whether the sender may not know that it sent the earlier copy."""
    return not earlier.is_replied or evidence.was_struck(earlier.at - _PROMPT, later.at)


def _find_stale(entry: Entry, name: str, copies: list[Copy]) -> Iterator[str]:
    """Compare the message that is rewritten with the end; copies of it are not rewritten."""
    known = next((copy for copy in copies if copy.name == name), None)
    if known is None:
        yield f"the ledger rewrites {name}, which did not arrive"
        return
    last = known.shown[-1]
    expected = [_ENDS.get(entry.state, "")]
    if entry.decision is not None:
        expected.append("approval by" if entry.decision else "rejection by")
    if not all(text in last for text in expected):
        yield f"the ledger says {entry.state} with {entry.decision}, the message {last}"
    if any(shows_end(before) and not shows_end(after) for before, after in pairwise(known.shown)):
        yield "it showed the question as open again after its end"
