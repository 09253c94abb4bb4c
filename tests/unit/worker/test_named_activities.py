"""Activities that are called by name: plain JSON in, plain JSON out, and errors that help."""

import json
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, TypeAlias

import httpx2
import pytest
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue, RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError

from ringback.ports.webhooks import NotReceived, Received, Reception, Undeliverable, WebhookMessage
from ringback.testing import ActivityTestEnvironment, activity_environment
from ringback.worker.named_activities import NamedActivities

Named: TypeAlias = Callable[[Sequence[RawValue]], Coroutine[Any, Any, RawValue]]

TOML: Final = """
[sources.github]
provider = "github"
secrets = ["env:GITHUB_SECRET"]

[[sources.github.rules]]
when = "action == 'completed'"
key = "join(':', ['run', to_string(id)])"
action = "complete"
result = "conclusion"
"""
URL: Final = "https://psp.example/charges"
RETRY: Final = RetryPolicy(maximum_attempts=3)


@dataclass
class FakeSender:
    """A sender that records messages, and receives what a test programmed.

    Attributes:
        sent: The messages.
        receptions: What happens to the next messages; later ones are received.
        during: What happens while a message is sent.
    """

    sent: list[WebhookMessage] = field(default_factory=list)
    receptions: list[Reception] = field(default_factory=list)
    during: Callable[[Any], Coroutine[Any, Any, None]] | None = None

    async def send(self, message: WebhookMessage) -> Reception:
        self.sent.append(message)
        if self.during is not None:
            await self.during(json.loads(message.body))
        return self.receptions.pop(0) if self.receptions else Received()


@pytest.fixture
async def env() -> AsyncIterator[ActivityTestEnvironment]:
    async with activity_environment(sources=TOML) as env:
        yield env


@pytest.fixture
def sender() -> FakeSender:
    return FakeSender()


@pytest.fixture
def named(sender: FakeSender) -> NamedActivities:
    return NamedActivities(sender)


def raw(value: object, encoding: bytes = b"json/plain") -> RawValue:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return RawValue(Payload(metadata={"encoding": encoding}, data=data))


def to_json(result: RawValue) -> Any:
    return None if result.payload is None else json.loads(result.payload.data)


async def failure_of(
    env: ActivityTestEnvironment, function: Named, *given: RawValue, **options: Any
) -> ApplicationError:
    with pytest.raises(ActivityError) as caught:
        await env.run(function, list(given), **options)
    assert isinstance(caught.value.cause, ApplicationError)
    return caught.value.cause


async def test_wait_sends_the_link_with_the_body_and_returns_the_answer_byte_for_byte(
    env: ActivityTestEnvironment, named: NamedActivities, sender: FakeSender
) -> None:
    asked = raw(b'{"url": "https://psp.example/charges", "body": {"amount": 1.10, "n": "\\u00e4"}}')
    run = env.start(named.wait, [asked])
    callback = await env.callback()

    (message,) = sender.sent
    link = json.loads(message.body)["callback_url"]
    async with httpx2.AsyncClient() as http:
        await http.post(link, content=b'{"receipt": 1.10}', headers=JSON)

    result = await run.result()
    assert result.payload.data == b'{"receipt": 1.10}'
    assert message.url == URL
    assert message.body.startswith(b'{"amount":1.10,"n":"\\u00e4","callback_url":')
    assert (message.id, message.idempotency_key) == (callback.id, callback.id)


JSON: Final = {"content-type": "application/json"}


@pytest.mark.parametrize(
    ("link_at", "body", "path"),
    [
        ("/notify/url", {"notify": {"kind": "post"}}, ("notify", "url")),
        ("/notify/url", {}, ("notify", "url")),
        ("/hook", {"hook": None}, ("hook",)),
        ("/a~1b/~0", {}, ("a/b", "~")),
    ],
)
async def test_wait_puts_the_link_where_the_input_says(
    env: ActivityTestEnvironment,
    named: NamedActivities,
    sender: FakeSender,
    link_at: str,
    body: dict[str, Any],
    path: tuple[str, ...],
) -> None:
    asked = raw({"url": URL, "body": body, "link_at": link_at})

    await env.run(named.wait, [asked], answer="done")

    found = json.loads(sender.sent[0].body)
    for step in path:
        found = found[step]
    assert "/c/" in found


async def test_wait_repeats_the_post_with_the_same_key_and_link(
    env: ActivityTestEnvironment, named: NamedActivities, sender: FakeSender
) -> None:
    sender.receptions = [NotReceived("the receiver returned 503"), NotReceived("no reply in time")]

    result = await env.run(named.wait, [raw({"url": URL})], answer="done", retry_policy=RETRY)

    assert to_json(result) == "done"
    assert len(sender.sent) == 3
    assert len({(one.id, one.idempotency_key, one.body) for one in sender.sent}) == 1


async def test_wait_does_not_repeat_the_post_once_it_was_received(
    env: ActivityTestEnvironment, named: NamedActivities, sender: FakeSender
) -> None:
    result = await env.run(
        named.wait,
        [raw({"url": URL})],
        answer="done",
        when="between attempts",
        start_to_close_timeout=timedelta(seconds=60),
        retry_policy=RETRY,
    )

    assert to_json(result) == "done"
    assert len(sender.sent) == 1


async def test_answer_during_the_post_counts_though_the_post_fails(
    env: ActivityTestEnvironment, named: NamedActivities, sender: FakeSender
) -> None:
    async def answer(body: Any) -> None:
        async with httpx2.AsyncClient() as http:
            await http.post(body["callback_url"], json={"receipt": "r-1"})

    sender.during = answer
    sender.receptions = [NotReceived("no reply in time")]

    result = await env.run(named.wait, [raw({"url": URL})], retry_policy=RETRY)

    assert to_json(result) == {"receipt": "r-1"}
    assert len(sender.sent) == 1


async def test_receiver_that_cannot_be_sent_to_fails_the_activity_for_good(
    env: ActivityTestEnvironment, named: NamedActivities, sender: FakeSender
) -> None:
    sender.receptions = [Undeliverable("the address is not public")]

    failure = await failure_of(env, named.wait, raw({"url": URL}), retry_policy=RETRY)

    assert (failure.type, failure.non_retryable) == ("LinkUndeliverable", True)
    assert failure.message == "the link cannot be sent to url: the address is not public"
    assert len(sender.sent) == 1


async def test_failed_post_says_why_and_how_long_to_wait_and_never_the_link(
    env: ActivityTestEnvironment, named: NamedActivities, sender: FakeSender
) -> None:
    sender.receptions = [NotReceived("the receiver returned 503", timedelta(days=9))]

    failure = await failure_of(env, named.wait, raw({"url": URL}))

    assert (failure.type, failure.non_retryable) == ("LinkNotDelivered", False)
    assert failure.message == "the link was not sent to url: the receiver returned 503"
    assert failure.next_retry_delay == timedelta(hours=3)
    assert "/c/" not in repr(failure.failure)


async def test_result_schema_of_wait_is_checked(
    env: ActivityTestEnvironment, named: NamedActivities, sender: FakeSender
) -> None:
    schema = {"type": "object", "required": ["receipt"]}
    run = env.start(named.wait, [raw({"url": URL, "result_schema": schema})])
    await env.callback()
    link = json.loads(sender.sent[0].body)["callback_url"]

    async with httpx2.AsyncClient() as http:
        wrong = await http.post(link, json={})
        right = await http.post(link, json={"receipt": "r-1"})

    assert (wrong.status_code, right.status_code) == (422, 202)
    assert to_json(await run.result()) == {"receipt": "r-1"}


@pytest.mark.parametrize(
    ("on_deadline", "result"),
    [({"verb": "complete", "body": 1}, 1), ({"verb": "complete"}, None)],
)
async def test_default_answer_is_the_result_at_the_deadline(
    env: ActivityTestEnvironment, named: NamedActivities, on_deadline: object, result: object
) -> None:
    asked = raw({"url": URL, "deadline": "1h", "on_deadline": on_deadline})
    run = env.start(named.wait, [asked])
    await env.callback()

    await env.advance(timedelta(hours=2))

    assert to_json(await run.result()) == result


async def test_default_failure_is_the_failure_at_the_deadline(
    env: ActivityTestEnvironment, named: NamedActivities
) -> None:
    body = {"message": "no receipt", "type": "Late", "non_retryable": True}
    asked = raw({"url": URL, "deadline": 60, "on_deadline": {"verb": "fail", "body": body}})
    run = env.start(named.wait, [asked])
    await env.callback()

    await env.advance(timedelta(hours=2))

    with pytest.raises(ActivityError) as caught:
        await run.result()
    assert isinstance(caught.value.cause, ApplicationError)
    assert (caught.value.cause.message, caught.value.cause.type) == ("no receipt", "Late")


async def test_ask_returns_the_decision_with_its_form(
    env: ActivityTestEnvironment, named: NamedActivities
) -> None:
    form = {"type": "object", "required": ["cost_centre"]}
    asked = raw({"title": "Order 17", "assignees": ["user:ada@example.org"], "form": form})
    run = env.start(named.ask, [asked])
    await env.decide(by="ada@example.org", form={"cost_centre": "K1"}, title="Order 17")

    decision = to_json(await run.result())

    assert decision["approved"] is True
    assert decision["by"] == "ada@example.org"
    assert decision["form"] == {"cost_centre": "K1"}
    assert decision["is_default"] is False


async def test_ask_returns_its_default_decision_at_the_deadline(
    env: ActivityTestEnvironment, named: NamedActivities
) -> None:
    default = {"approved": False, "reason": "nobody decided"}
    run = env.start(
        named.ask, [raw({"title": "Order 17", "deadline": "PT1H", "on_deadline": default})]
    )
    await env.callback()

    await env.advance(timedelta(hours=2))

    assert to_json(await run.result()) == {
        "approved": False,
        "reason": "nobody decided",
        "by": None,
        "form": None,
        "votes": [],
        "is_default": True,
    }


async def test_event_with_the_alias_ends_the_activity(
    env: ActivityTestEnvironment, named: NamedActivities
) -> None:
    run = env.start(named.event, [raw({"alias": "run:42", "aliases": ["build:42"]})])
    callback = await env.callback(alias="run:42")

    event = {"action": "completed", "id": 42, "conclusion": "success"}
    await env.send_event("github", event, headers={"X-GitHub-Event": "check_run"})

    assert to_json(await run.result()) == "success"
    assert callback.aliases == ("run:42", "build:42")


async def test_event_that_came_before_ends_the_activity(
    env: ActivityTestEnvironment, named: NamedActivities
) -> None:
    event = {"action": "completed", "id": 42, "conclusion": "success"}
    await env.send_event("github", event, headers={"X-GitHub-Event": "check_run"})

    result = await env.run(named.event, [raw({"alias": "run:42"})])

    assert to_json(result) == "success"


@pytest.mark.parametrize(
    ("name", "given", "problem"),
    [
        ("ask", {}, "title: Field required"),
        ("ask", {"title": ""}, "title: Value should have at least 1 "),
        ("ask", {"title": "x", "tittle": 1}, "tittle: Extra inputs are not permitted"),
        ("ask", {"title": "x", "resume": True}, "resume: Extra inputs are not permitted"),
        ("ask", {"title": "x", "assignees": ["ada"]}, "write user:ada@example.org"),
        ("ask", {"title": "x", "assignees": []}, "assignees: Value error, it is empty; name some"),
        ("wait", {"url": URL, "assignees": []}, "assignees: Value error, it is empty; name some"),
        ("event", {"alias": "x", "assignees": []}, "assignees: Value error, it is empty"),
        ("ask", {"title": "x", "assignees": ["user:ada"], "approvals": 2}, "only 1 may decide"),
        ("ask", {"title": "x", "deadline": "soon"}, "'soon' is not a duration; write 90m"),
        ("ask", {"title": "x", "on_deadline": {"approved": 1}}, "on_deadline.approved: Input"),
        ("wait", {}, "url: Field required"),
        ("wait", {"url": "ftp://x"}, "begins with https:// or http://"),
        ("wait", {"url": URL, "body": []}, "body: Input should be an object"),
        ("wait", {"url": URL, "body": {"type": "callback.expired"}}, "use another type"),
        ("wait", {"url": URL, "link_at": "hook"}, "link_at: String should match pattern"),
        ("wait", {"url": URL, "body": {"hook": 1}, "link_at": "/hook"}, "name a free member"),
        ("wait", {"url": URL, "body": {"a": [1]}, "link_at": "/a/0"}, "name a free member"),
        ("wait", {"url": URL, "on_deadline": {"verb": "cancel"}}, "on_deadline: Input tag"),
        ("wait", {"url": URL, "result_schema": {"type": "objct"}}, "used: result_schema: it is"),
        ("ask", {"title": "x", "form": {"type": "objct"}}, "used: form: it is not a JSON Schema"),
        ("event", {}, "alias: Field required"),
        ("event", {"alias": " x"}, "an alias must not begin or end with a space"),
        ("event", [], "the input: Input should be an object"),
        ("event", b'{"alias": NaN}', "it contains NaN, which is not JSON"),
        ("event", b'{"alias": 1e999}', "a number is out of range"),
        ("event", b"{", "it is not JSON"),
    ],
)
async def test_wrong_input_fails_at_once_and_says_what_to_change(
    env: ActivityTestEnvironment,
    named: NamedActivities,
    sender: FakeSender,
    name: str,
    given: object,
    problem: str,
) -> None:
    failure = await failure_of(env, getattr(named, name), raw(given), retry_policy=RETRY)

    assert (failure.type, failure.non_retryable) == ("InvalidInput", True)
    assert problem in failure.message
    assert sender.sent == []


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ([], "ask takes one argument, a JSON object, not 0"),
        ([raw({}), raw({})], "ask takes one argument, a JSON object, not 2"),
        ([raw(b"", b"binary/null")], "the input of ask is binary/null; send one JSON object"),
        ([raw(b"x", b"binary/plain")], "the input of ask is binary/plain; send one JSON object"),
    ],
)
async def test_input_that_is_not_one_object_fails_at_once(
    env: ActivityTestEnvironment, named: NamedActivities, given: list[RawValue], problem: str
) -> None:
    failure = await failure_of(env, named.ask, *given, retry_policy=RETRY)

    assert (failure.type, failure.non_retryable, failure.message) == ("InvalidInput", True, problem)


async def test_input_in_an_unknown_encoding_may_succeed_after_the_worker_gets_its_codec(
    env: ActivityTestEnvironment, named: NamedActivities
) -> None:
    failure = await failure_of(env, named.ask, raw(b"x", b"binary/encrypted"))

    assert failure.non_retryable is False
    assert "set RINGBACK_DATA_CONVERTER" in failure.message


async def test_unknown_name_lists_the_known_ones_and_is_retryable(
    env: ActivityTestEnvironment, named: NamedActivities
) -> None:
    failure = await failure_of(env, named.run, raw({}))

    assert failure.non_retryable is False
    assert failure.message == (
        "there is no activity 'run' here; call ringback.ask, ringback.wait, ringback.event"
    )
