"""`approvals` checks its options when the worker starts, and `ask` where it runs."""

from datetime import timedelta
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from ringback.agents import ToolCall, approvals, ask
from ringback.agents.activity import to_subject
from ringback.agents.approval import Question
from ringback.domain.errors import NotWiredError


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"on_reject": "fail"}, TypeError),
        ({"follow_reset": True}, TypeError),
        ({"deadline": timedelta(hours=1)}, TypeError),
        ({"assignees": ["ada"]}, ValueError),
        ({"assignees": ["user:ada"], "approvals": 2}, ValueError),
    ],
    ids=str,
)
def test_option_that_fits_no_question_is_an_error(
    options: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        approvals(**options)


async def test_ask_outside_a_workflow_says_where_it_runs() -> None:
    with pytest.raises(NotWiredError, match="runs in workflow code"):
        await ask("refund", {}, within=timedelta(hours=1))


async def test_ask_in_an_activity_is_not_retried() -> None:
    async def node() -> None:
        await ask("refund", {}, within=timedelta(hours=1))

    with pytest.raises(ApplicationError, match="ask in the workflow") as caught:
        await ActivityEnvironment().run(node)
    assert (caught.value.type, caught.value.non_retryable) == ("NotWiredError", True)


@pytest.mark.parametrize("name", ["assignees", "exclude"])
async def test_people_that_are_no_list_are_an_error(name: str) -> None:
    people: dict[str, Any] = {name: "bob"}

    with pytest.raises(TypeError, match=f"{name} must be a list of people"):
        await ask("refund", {}, within=timedelta(hours=1), **people)


@pytest.mark.parametrize("within", [timedelta(), timedelta(seconds=-1)], ids=str)
async def test_time_that_is_over_is_an_error(within: timedelta) -> None:
    with pytest.raises(ValueError, match="within must be positive"):
        await ask("refund", {}, within=within)


def test_long_names_and_descriptions_are_cut_and_the_details_have_the_name() -> None:
    subject = to_subject(ToolCall("t" * 500, {}, description="d" * 9_000))

    assert len(subject.title or "") == 200
    assert len(subject.description or "") == 8192
    assert subject.details["tool"] == "t" * 500


async def test_deadline_that_is_longer_than_any_time_is_refused_at_once() -> None:
    question = Question(ToolCall("refund", {}), within=1e15)

    with pytest.raises(ApplicationError, match="nobody can be asked: ") as caught:
        await ActivityEnvironment().run(approvals(), question)
    assert caught.value.non_retryable
