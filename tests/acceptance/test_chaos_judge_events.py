"""The judge of `make chaos` finds an event or a message that is lost, double, or misused."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from chaos.evidence import Harm
from chaos.judge_events import judge_events, judge_messages_of_queue
from chaos.ledger import Entry
from chaos.plan import Answer
from chaos.senders import Reply, Sent
from chaos.webhooks import StoredEvent

FIRST, LATER = "w0q0r1a0z", "w0q0r1a1z"
STORED = Reply(200, None, None, is_duplicate=False)
MATCHED = StoredEvent("matched", "cb_1", has_alias=True, reason=None)
IGNORED = replace(MATCHED, state="ignored", reason="the callback already has another answer")
UNMATCHED = replace(MATCHED, state="unmatched", callback_id=None)
WAITING = StoredEvent("waiting", None, has_alias=True, reason=None)

ENTRY = Entry(
    callback_id="cb_1",
    workflow_id="chaos-0",
    state="applied",
    attempt=1,
    outcome_id="oc_1",
    kind="completed",
    values=[FIRST],
    proof={},
    last_error=None,
    verdicts=["applied"],
)
OPEN = replace(ENTRY, state="open", outcome_id=None, values=[])
EXPIRED = replace(OPEN, state="expired")


def sent(value: str, *replies: Reply) -> Sent:
    return Sent(Answer(value, "complete", {}, is_final=True, sendings=()), "cb_1", list(replies))


def harms(
    first: Sequence[StoredEvent],
    later: Sequence[StoredEvent],
    *,
    entry: Entry = ENTRY,
    replies: Sequence[Reply] = (STORED,),
) -> set[Harm]:
    both = [sent(FIRST, *replies), sent(LATER, STORED)]
    return {one.harm for one in judge_events(entry, both, {FIRST: first, LATER: later})}


@pytest.mark.parametrize("later", [IGNORED, UNMATCHED])
def test_first_event_answers_and_a_later_one_is_kept(later: StoredEvent) -> None:
    assert harms([MATCHED], [later]) == set()


def test_event_without_an_alias_may_wait_for_ever() -> None:
    unknown = replace(WAITING, has_alias=False)

    assert harms([unknown], [unknown], entry=EXPIRED) == set()


def test_acknowledged_event_that_is_not_stored_is_lost() -> None:
    assert harms([], [IGNORED]) == {Harm.LOST}


def test_event_that_is_stored_twice_is_double() -> None:
    assert Harm.DOUBLE in harms([MATCHED, MATCHED], [IGNORED])


def test_event_that_waits_behind_its_alias_is_undecided() -> None:
    assert harms([MATCHED], [WAITING]) == {Harm.UNDECIDED}


def test_event_without_a_final_reply_is_undecided() -> None:
    one = sent(FIRST)
    one.open = 1

    assert {found.harm for found in judge_events(OPEN, [one], {})} == {Harm.UNDECIDED}


@pytest.mark.parametrize(
    ("first", "later", "entry"),
    [
        (MATCHED, MATCHED, ENTRY),
        (replace(MATCHED, callback_id="cb_2"), IGNORED, ENTRY),
        (IGNORED, IGNORED, ENTRY),
        (replace(MATCHED, state="dead"), IGNORED, ENTRY),
        (MATCHED, replace(MATCHED, state="dead"), ENTRY),
        (UNMATCHED, UNMATCHED, OPEN),
        (MATCHED, UNMATCHED, OPEN),
    ],
)
def test_event_that_ended_otherwise_than_its_callback_is_wrong(
    first: StoredEvent, later: StoredEvent, entry: Entry
) -> None:
    assert Harm.WRONG in harms([first], [later], entry=entry)


def test_refused_event_is_wrong() -> None:
    refused = Reply(401, None, None, is_duplicate=False)

    assert harms([MATCHED], [IGNORED], replies=[STORED, refused]) == {Harm.WRONG}


DEAD = StoredEvent("dead", None, has_alias=False, reason="cb_1: it has expired")


@pytest.mark.parametrize(
    ("entry", "dead", "expected"),
    [
        (ENTRY, [], set()),
        (replace(ENTRY, values=[LATER], differed=[FIRST]), [], set()),
        (EXPIRED, [DEAD], set()),
        (EXPIRED, [], {Harm.LOST}),
        (replace(ENTRY, values=[LATER]), [], {Harm.LOST}),
        (OPEN, [], {Harm.LOST}),
        (OPEN, [DEAD], {Harm.WRONG}),
        (EXPIRED, [MATCHED], {Harm.WRONG}),
    ],
)
def test_confirmed_message_is_an_answer_or_evidence_or_a_dead_letter(
    entry: Entry, dead: Sequence[StoredEvent], expected: set[Harm]
) -> None:
    found = judge_messages_of_queue(entry, [sent(FIRST, STORED)], {FIRST: dead})

    assert {one.harm for one in found} == expected


def test_message_that_is_not_confirmed_is_undecided() -> None:
    one = sent(FIRST)
    one.open = 1

    assert {found.harm for found in judge_messages_of_queue(OPEN, [one], {})} == {Harm.UNDECIDED}
