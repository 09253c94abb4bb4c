"""The judge of `make chaos` finds messages that are lost, repeated, stale, or late."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from chaos.evidence import Evidence, Harm
from chaos.judge_messages import judge_messages
from chaos.ledger import Entry, Message
from chaos.receivers import CHAT, MAIL, Copy

OPENED_AT = datetime(2030, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
OPEN, APPROVED = "Order 17", "Order 17: Applied: approval by ada."

ENTRY = Entry(
    callback_id="cb_1",
    workflow_id="chaos-0",
    state="applied",
    attempt=1,
    outcome_id="oc_1",
    kind="completed",
    values=["w0q0r1a0z"],
    proof={},
    last_error=None,
    verdicts=["applied"],
    decision=True,
    opened_at=OPENED_AT,
    ended_at=OPENED_AT + 60 * SECOND,
    messages={
        CHAT: Message(CHAT, is_due=False, is_sent=True, name="1"),
        MAIL: Message(MAIL, is_due=False, is_sent=True, name="<1>"),
    },
)


def copy(name: str, *shown: str, after: int = 1, is_replied: bool = True) -> Copy:
    return Copy(OPENED_AT + after * SECOND, name, list(shown), is_replied)


CHATTED, MAILED = copy("1", OPEN, APPROVED), copy("<1>", OPEN)


def harms(
    entry: Entry = ENTRY,
    *,
    chat: Sequence[Copy] = (CHATTED,),
    mail: Sequence[Copy] = (MAILED,),
    refused: int = 0,
    struck_after: int | None = None,
) -> set[Harm]:
    evidence = Evidence(
        scripts={},
        asked={},
        ledger={},
        stories={},
        facts={},
        copies={("cb_1", CHAT): list(chat), ("cb_1", MAIL): list(mail)},
        refused=Counter({("cb_1", CHAT): refused}),
        strikes=[] if struck_after is None else [OPENED_AT + struck_after * SECOND],
    )
    return {one.harm for one in judge_messages(evidence, entry)}


def with_chat(**changes: object) -> Entry:
    message = replace(ENTRY.messages[CHAT], **changes)  # type: ignore[arg-type] # any field
    return replace(ENTRY, messages={**ENTRY.messages, CHAT: message})


UNSENT = with_chat(is_sent=False, name=None)


def test_clean_messages_have_no_findings() -> None:
    assert harms() == set()


def test_sent_message_that_did_not_arrive_is_lost() -> None:
    assert Harm.LOST in harms(chat=())


def test_question_without_a_row_for_its_message_is_lost() -> None:
    assert harms(replace(ENTRY, messages={MAIL: ENTRY.messages[MAIL]})) == {Harm.LOST}


def test_question_that_reached_no_person_is_lost() -> None:
    assert harms(UNSENT, chat=()) == {Harm.LOST}


def test_message_may_be_missing_if_it_was_refused_or_a_gateway_killed() -> None:
    short = replace(UNSENT, ended_at=OPENED_AT + SECOND)
    long = replace(UNSENT, ended_at=OPENED_AT + 90 * SECOND)

    assert harms(UNSENT, chat=(), refused=2) == set()
    assert harms(long, chat=(), refused=2) == {Harm.LOST}
    assert harms(UNSENT, chat=(), struck_after=30) == set()
    assert harms(short, chat=()) == set()


def test_second_message_without_a_reason_is_double() -> None:
    second = copy("2", OPEN, after=50)
    unanswered = replace(CHATTED, is_replied=False)

    assert harms(chat=(CHATTED, second)) == {Harm.DOUBLE}
    assert harms(chat=(unanswered, second)) == set()
    assert harms(chat=(CHATTED, second), struck_after=3) == set()
    assert harms(chat=(CHATTED, second), struck_after=55) == {Harm.DOUBLE}


def test_first_message_that_shows_the_end_is_wrong() -> None:
    assert harms(chat=(copy("1", APPROVED),)) == {Harm.WRONG}


@pytest.mark.parametrize(
    "shown",
    [
        [OPEN],
        [OPEN, "Accepted, not yet applied: approval by ada."],
        [OPEN, "Superseded: the activity ended. Not applied: approval by ada."],
        [OPEN, "Applied: rejection by ada."],
        [OPEN, APPROVED, OPEN, APPROVED],
    ],
    ids=str,
)
def test_chat_message_that_ends_differently_than_the_callback_is_wrong(shown: list[str]) -> None:
    assert harms(chat=(copy("1", *shown),)) == {Harm.WRONG}


def test_rewriting_a_message_that_did_not_arrive_is_wrong() -> None:
    assert harms(with_chat(name="9")) == {Harm.WRONG}


def test_message_that_is_still_due_is_undecided() -> None:
    assert harms(with_chat(is_due=True)) == {Harm.UNDECIDED}


def test_copies_of_a_mail_with_different_names_are_wrong() -> None:
    one, other = copy("<1>", OPEN, is_replied=False), copy("<2>", OPEN, after=50)

    assert harms(mail=(one, other)) == {Harm.WRONG}
