"""`approvals` checks its options when the worker starts, and `ask` where it runs."""

import asyncio
import os
from datetime import timedelta
from typing import Any

import pytest
from temporalio import activity
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from ringback.agents import ToolCall, approvals, ask
from ringback.agents.activity import NOT_ASKED, to_subject
from ringback.agents.approval import Question
from ringback.domain.errors import GatewayRefusedError, GatewayUnavailableError, NotWiredError
from ringback.domain.ids import CallbackId
from ringback.domain.options import CallbackOptions
from ringback.worker.callback import Callback
from ringback.worker.runtime import Opened, runtime_set

FORM: dict[str, Any] = {"properties": {"order": {"pattern": "(?=o)"}}}
LINK = "https://ringback.example/c/secret"


class Refusing:
    """A gateway that refuses some schemas, and keeps those that it was sent."""

    process_id = os.getpid()

    def __init__(self, *errors: Exception) -> None:
        """Raise these errors, in turn."""
        self._errors = list(errors)
        self.schemas: list[object] = []
        self.submitted: list[Callback] = []

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    async def open(
        self, info: activity.Info, options: CallbackOptions, *, schema: object, is_inline: bool
    ) -> Opened:
        del info, options, is_inline
        self.schemas.append(schema)
        if self._errors:
            raise self._errors.pop(0)
        return Opened(Callback(CallbackId("cb_1"), None, is_submitted=False, url=LINK), None)

    async def mark_submitted(self, callback: Callback) -> None:
        self.submitted.append(callback)

    async def report_poll(self, *_: object, **__: object) -> None:
        raise NotImplementedError


def refused(status: int) -> GatewayRefusedError:
    return GatewayRefusedError("no look-around", status=status, title="invalid")


async def run(runtime: Refusing, submit: Any = None, **question: Any) -> None:
    """Run the activity; it completes asynchronously where nothing fails."""
    activity_function = approvals(submit)
    given = Question(ToolCall("refund", {}), within=60, **question)
    with runtime_set(runtime):
        try:
            await ActivityEnvironment().run(activity_function, given)
        except BaseException as exc:
            if runtime.submitted:
                return
            raise exc from exc.__cause__


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"on_reject": "fail"}, TypeError),
        ({"follow_reset": True}, TypeError),
        ({"deadline": timedelta(hours=1)}, TypeError),
        ({"assignees": ["ada"]}, ValueError),
        ({"assignees": []}, ValueError),
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


async def test_nobody_is_no_list_of_people() -> None:
    with pytest.raises(ValueError, match="assignees is empty"):
        await ask("refund", {}, within=timedelta(hours=1), assignees=[])


async def test_question_for_an_empty_list_is_refused_at_once() -> None:
    question = Question(ToolCall("refund", {}), within=60, assignees=[])

    with (
        runtime_set(Refusing()),
        pytest.raises(ApplicationError, match="assignees is em") as caught,
    ):
        await ActivityEnvironment().run(approvals(), question)
    assert (caught.value.type, caught.value.non_retryable) == ("CannotAsk", True)


@pytest.mark.parametrize("options", [{}, {"within": 3600}], ids=["none", "number"])
async def test_time_that_is_no_timedelta_is_an_error(options: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match=r"within=timedelta\(hours=24\)"):
        await ask("refund", {}, **options)


async def test_option_that_ask_does_not_have_is_an_error() -> None:
    options: dict[str, Any] = {"within": timedelta(hours=1), "deadline": 3600}

    with pytest.raises(TypeError, match="there is no option deadline for a question"):
        await ask("refund", {}, **options)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"arguments": [1]}, "arguments must be a dict, not a list"),
        ({"arguments": {}, "schema": "{}"}, "schema must be a dict, not a str"),
    ],
    ids=["arguments", "schema"],
)
async def test_arguments_and_schema_must_be_objects(given: dict[str, Any], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        await ask("refund", within=timedelta(hours=1), **given)


def test_list_of_people_is_no_function_that_sends_the_link() -> None:
    people: Any = ["group:finance"]

    with pytest.raises(TypeError, match="name people by assignees="):
        approvals(people)


@pytest.mark.parametrize("within", [timedelta(), timedelta(seconds=-1)], ids=str)
async def test_time_that_is_over_is_an_error(within: timedelta) -> None:
    with pytest.raises(ValueError, match="within must be positive"):
        await ask("refund", {}, within=within)


def test_long_names_and_descriptions_are_cut_and_the_details_have_the_name() -> None:
    subject = to_subject(ToolCall("t" * 500, {}, description="d" * 9_000))

    assert len(subject.title or "") == 200
    assert len(subject.description or "") == 8192
    assert subject.details["tool"] == "t" * 500


@pytest.mark.parametrize(
    ("arguments", "title"),
    [
        ({}, "May refund run?"),
        ({"order": "17", "euros": 250}, 'May refund run? order: "17", euros: 250'),
        ({"to": ["a"], "is final": None}, 'May refund run? to: ["a"], "is final": null'),
        ({"order": '1", euros: 1\n'}, 'May refund run? order: "1\\", euros: 1\\n"'),
    ],
    ids=["none", "two", "names", "hostile"],
)
def test_title_has_the_arguments(arguments: dict[str, Any], title: str) -> None:
    assert to_subject(ToolCall("refund", arguments)).title == title


async def test_deadline_that_is_longer_than_any_time_is_refused_at_once() -> None:
    question = Question(ToolCall("refund", {}), within=1e15)

    with pytest.raises(ApplicationError, match="nobody can be asked: ") as caught:
        await ActivityEnvironment().run(approvals(), question)
    assert caught.value.non_retryable


@pytest.mark.parametrize("status", [400, 413, 422])
async def test_form_that_the_gateway_refuses_is_left_out_with_one_warning(
    status: int, caplog: pytest.LogCaptureFixture
) -> None:
    runtime = Refusing(refused(status))

    await run(runtime, form=FORM)

    assert runtime.schemas == [FORM, None]
    assert [one.getMessage() for one in caplog.records] == [
        "nobody can change the arguments of a call: refund: no look-around"
    ]


async def test_question_that_the_gateway_refuses_without_a_form_too_is_refused_at_once() -> None:
    runtime = Refusing(refused(422), refused(422))

    with pytest.raises(ApplicationError, match="nobody can be asked: no look-around") as caught:
        await run(runtime, form=FORM)
    assert caught.value.non_retryable
    assert runtime.schemas == [FORM, None]


@pytest.mark.parametrize(
    "error", [refused(503), GatewayUnavailableError(LINK)], ids=["refused", "away"]
)
async def test_error_of_the_gateway_that_may_pass_is_retried_without_its_text(
    error: Exception,
) -> None:
    runtime = Refusing(error)

    with pytest.raises(ApplicationError) as caught:
        await run(runtime, form=FORM)
    assert (caught.value.message, caught.value.non_retryable) == (NOT_ASKED, False)
    assert caught.value.__cause__ is error
    assert runtime.schemas == [FORM]


@pytest.mark.parametrize(
    ("error", "kind", "is_final"),
    [
        (ConnectionError(LINK), "ConnectionError", False),
        (refused(422), "GatewayRefusedError", False),
        (ApplicationError(LINK, type="Closed", non_retryable=True), "Closed", True),
    ],
    ids=["other", "refused", "final"],
)
async def test_error_of_submit_keeps_its_kind_and_not_its_text(
    error: Exception, kind: str, *, is_final: bool
) -> None:
    async def submit(*_: object) -> None:
        raise error

    runtime = Refusing()
    with pytest.raises(ApplicationError) as caught:
        await run(runtime, submit, form=FORM)
    assert caught.value.message == NOT_ASKED
    assert (caught.value.type, caught.value.non_retryable) == (kind, is_final)
    assert caught.value.__cause__ is error
    assert runtime.schemas == [FORM]


async def test_submit_that_is_not_async_is_an_error_without_its_text() -> None:
    def submit(*_: object) -> None:
        """Send the link, but not async."""

    runtime = Refusing()
    with pytest.raises(ApplicationError) as caught:
        await run(runtime, submit)
    assert (caught.value.message, caught.value.type) == (NOT_ASKED, "TypeError")
    assert "submit must be async" in str(caught.value.__cause__)


async def test_error_of_submit_that_is_not_async_keeps_its_text_from_the_model() -> None:
    def submit(*_: object) -> None:
        raise ConnectionError(LINK)

    with pytest.raises(ApplicationError) as caught:
        await run(Refusing(), submit)
    assert (caught.value.message, caught.value.type) == (NOT_ASKED, "ConnectionError")
