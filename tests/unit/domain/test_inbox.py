"""Inboxes: which ones contain a question, and where a page of one continues."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

import pytest

from ringback.domain.ids import CallbackId
from ringback.domain.inbox import (
    EVERYBODY,
    LONGEST_SEARCH,
    MOST_WORDS,
    NEVER,
    Cursor,
    InboxQuery,
    Scope,
    Show,
    inboxes_of,
    search_text,
    sort_time,
)
from ringback.domain.policy import Policy
from tests import factories

ADA: Final = InboxQuery(user="Ada@Example.org", groups=frozenset({"Legal", "finance", "legal"}))


@pytest.mark.parametrize("at", [factories.NOW, NEVER, factories.NOW + timedelta(microseconds=1)])
def test_written_cursor_is_parsed_to_the_same_place(at: datetime) -> None:
    cursor = Cursor(at, CallbackId("cb_1"))

    assert Cursor.parse(str(cursor)) == cursor


@pytest.mark.parametrize("text", ["", ".", "12", "12.", ".cb_1", "-1.cb_1", "٣.cb_1", "1e3.cb_1"])
def test_other_text_is_not_a_cursor(text: str) -> None:
    with pytest.raises(ValueError, match="first page"):
        Cursor.parse(text)


def test_cursor_after_all_times_is_the_last_time() -> None:
    assert Cursor.parse("9" * 5000 + ".cb_1").at == NEVER


def test_words_ignore_case_and_are_bounded() -> None:
    assert InboxQuery(text=" Straße  VIP ").words == ["strasse", "vip"]
    assert len(InboxQuery(text="a " * 100).words) == MOST_WORDS
    assert len(InboxQuery(text="x" * 5000).words[0]) == LONGEST_SEARCH


@pytest.mark.parametrize(
    ("query", "inboxes"),
    [
        (ADA, ["user:ada@example.org"]),
        (replace(ADA, scope=Scope.GROUPS), ["group:finance", "group:legal"]),
        (replace(ADA, scope=Scope.ALL), [EVERYBODY]),
        (InboxQuery(), []),
    ],
)
def test_scope_names_the_inboxes_to_read(query: InboxQuery, inboxes: list[str]) -> None:
    assert query.inboxes == inboxes


async def test_question_is_in_the_inboxes_of_assignees_claimant_and_everybody() -> None:
    policy = Policy(assignees=("user:Ada", "group:Finance"))
    question = await factories.opened(factories.request(policy=policy))

    assert inboxes_of(question) == {EVERYBODY, "user:ada", "group:finance"}
    assert inboxes_of(replace(question, claimant="Bob")) >= {"user:bob"}


async def test_plain_callback_is_in_no_inbox() -> None:
    assert inboxes_of(await factories.opened(factories.request())) == frozenset()


async def test_question_without_a_deadline_sorts_last() -> None:
    without = await factories.opened(factories.request())
    with_one = await factories.opened(factories.request(deadline=timedelta(hours=1)))

    assert sort_time(without) == NEVER
    assert sort_time(with_one) == with_one.deadline_at


async def test_search_text_contains_what_a_person_remembers() -> None:
    request = factories.request(
        ref=factories.activity_ref(workflow_id="Order-17"),
        title="Pay",
        description="Größe",
        tags=("VIP",),
    )

    assert search_text(await factories.opened(request)) == "pay\ngrösse\norder-17\nvip"


def test_pages_of_decided_questions_are_by_vote() -> None:
    page = replace(ADA, show=Show.DECIDED, after=Cursor(factories.NOW, CallbackId("cb_1")))

    assert page.is_by_vote
