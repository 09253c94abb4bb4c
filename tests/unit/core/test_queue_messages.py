"""What a message of a queue asks is done, or it is stored as a dead letter that says why not."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from ringback.domain.activity_state import LastFailure
from ringback.domain.audit import AuditKind
from ringback.domain.callback import State
from ringback.domain.event import EventState
from ringback.domain.link import Verb
from ringback.domain.outcome import Canceled, Completed, Failed, Outcome
from ringback.domain.policy import Policy
from ringback.testing import ManualClock
from tests import factories
from tests.loops import idle
from tests.unit.core.queue_house import LIMIT, QUEUE, QueueHouse, consuming, rules

HOUR = timedelta(hours=1)


@pytest.fixture
async def house(clock: ManualClock) -> AsyncIterator[QueueHouse]:
    async with consuming(clock) as house:
        yield house


@pytest.fixture
async def trusting(clock: ManualClock) -> AsyncIterator[QueueHouse]:
    async with consuming(clock, is_trusted=True, to_events=rules) as house:
        yield house


async def why_dead(house: QueueHouse) -> str:
    """Return the reason of the only event, whose message has been acknowledged."""
    (event,) = await house.events()
    assert (event.source, event.state) == (QUEUE, EventState.DEAD)
    assert house.broker.left == []
    return event.reason or ""


@pytest.mark.parametrize(
    ("headers", "body", "outcome"),
    [
        ({}, b'{"ok": true}', Completed(b'{"ok": true}')),
        ({}, b"\xef\xbb\xbf1", Completed(b"1")),
        ({"ringback_action": "complete"}, b"", Completed(None)),
        ({"ringback_action": "fail"}, b'{"message": "no"}', Failed(message="no")),
    ],
)
async def test_message_with_a_link_answers(
    house: QueueHouse, headers: dict[str, str], body: bytes, outcome: Outcome
) -> None:
    callback = await house.open()

    house.broker.publish(body, ringback_link=house.link(callback), **headers)
    await idle()

    accepted = (await house.reload(callback)).accepted
    assert accepted is not None
    assert accepted.outcome == outcome
    assert house.broker.left == []
    assert await house.events() == []


async def test_link_may_be_the_token_alone(house: QueueHouse) -> None:
    callback = await house.open()
    token = house.link(callback).rpartition("/")[2]

    house.broker.publish(b"1", ringback_link=token)
    await idle()

    assert (await house.reload(callback)).state is State.ACCEPTED


async def test_cancellation_by_link_waits_until_one_was_requested(house: QueueHouse) -> None:
    callback = await house.open()
    house.activities.request_cancel(callback.ref)

    house.broker.publish(b"", ringback_link=house.link(callback), ringback_action="cancel")
    await idle()

    accepted = (await house.reload(callback)).accepted
    assert accepted is not None
    assert accepted.outcome == Canceled(None)


async def test_heartbeat_by_link_reaches_the_activity(house: QueueHouse) -> None:
    callback = await house.open(heartbeat_timeout=HOUR)
    link = house.link(callback)

    house.broker.publish(b"5", ringback_link=link, ringback_action="heartbeat")
    await idle()

    assert house.activities.heartbeats == [(callback.ref, b"5")]
    assert (house.broker.left, await house.events()) == ([], [])


async def test_heartbeat_between_two_attempts_is_kept(house: QueueHouse) -> None:
    callback = await house.open(heartbeat_timeout=HOUR)
    house.activities.back_off(callback.ref, LastFailure("timeout", "", None))

    link = house.link(callback)
    house.broker.publish(b"5", ringback_link=link, ringback_action="heartbeat")

    assert (await house.events(), house.broker.left) == ([], [])


async def test_answer_that_comes_twice_counts_once(house: QueueHouse) -> None:
    callback = await house.open()

    for _ in range(2):
        house.broker.publish(b"1", key="m1", ringback_link=house.link(callback))
        await idle()

    assert (house.broker.left, await house.events()) == ([], [])


async def test_different_answer_is_evidence_and_no_dead_letter(house: QueueHouse) -> None:
    callback = await house.open()
    for body in (b"1", b"2"):
        house.broker.publish(body, ringback_link=house.link(callback))
        await idle()

    accepted = (await house.reload(callback)).accepted
    assert accepted is not None
    assert accepted.outcome == Completed(b"1")
    assert (house.broker.left, await house.events()) == ([], [])
    kinds = [entry.kind for entry in await house.store.audit_trail(callback.id)]
    assert kinds[-1] is AuditKind.ANSWERED_DIFFERENTLY


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"expires_at": factories.NOW}, "the link is edited, expired, revoked"),
        ({"verbs": frozenset({Verb.FAIL, Verb.VIEW})}, "does not allow this action"),
        ({"serial": 7}, "{id}: the link is edited, expired, revoked"),
    ],
)
async def test_link_that_is_not_valid_is_a_dead_letter(
    house: QueueHouse, facts: dict[str, object], reason: str
) -> None:
    callback = await house.open()

    house.broker.publish(b'{"a": 1}', ringback_link=house.link(callback, **facts))

    assert reason.format(id=callback.id) in await why_dead(house)
    (delivery,) = house.deliveries
    assert delivery.body == b'{"a": 1}'
    assert (await house.reload(callback)).state is State.OPEN


async def test_link_of_another_gateway_is_a_dead_letter_that_names_its_key(
    house: QueueHouse,
) -> None:
    other = factories.keyring("k9", signing="k9").sign(factories.link(key_id="k9"))

    house.broker.publish(b"1", ringback_link=other)

    assert "the key k9, which this gateway does not have" in await why_dead(house)


async def test_answer_after_the_end_is_a_dead_letter(house: QueueHouse) -> None:
    callback = await house.open()
    await house.store.expire([factories.expiry(callback, "timed out")])

    house.broker.publish(b"1", ringback_link=house.link(callback))

    assert await why_dead(house) == f"{callback.id}: too late: timed out"


async def test_link_does_not_decide_what_people_decide(house: QueueHouse) -> None:
    callback = await house.open(policy=Policy(assignees=("user:ada",)))

    house.broker.publish(b'{"approved": true}', ringback_link=house.link(callback))

    assert (await why_dead(house)).startswith(f"{callback.id}: ")
    assert (await house.reload(callback)).state is State.OPEN


@pytest.mark.parametrize(
    ("headers", "body", "reason"),
    [
        ({"ringback_link": "nonsense"}, b"1", "the link is edited"),
        ({"ringback_link": "nonsense", "ringback_alias": "a"}, b"1", "it has both ringback-link"),
        ({"ringback_link": "x", "ringback_action": "view"}, b"1", "ringback-action must be one of"),
        ({"ringback_alias": "a"}, b"1", "this queue is not trusted"),
        ({}, b"1", "it has no header ringback-link"),
        ({}, b"\xff\x00", "it has no header ringback-link"),
    ],
)
async def test_message_that_names_no_callback_is_a_dead_letter(
    house: QueueHouse, headers: dict[str, str], body: bytes, reason: str
) -> None:
    house.broker.publish(body, **headers)

    assert reason in await why_dead(house)
    assert house.deliveries[0].body == body


async def test_body_that_is_not_json_is_a_dead_letter(house: QueueHouse) -> None:
    callback = await house.open()

    house.broker.publish(b"not json", ringback_link=house.link(callback))

    assert "the body is not JSON" in await why_dead(house)


async def test_body_over_the_limit_is_stored_in_part(house: QueueHouse) -> None:
    callback = await house.open()

    house.broker.publish(b"1" * (LIMIT + 1), ringback_link=house.link(callback))

    assert "the body has 100,001 bytes and at most 100,000 are accepted" in await why_dead(house)
    assert house.deliveries[0].body == b"1" * 65_536


async def test_neither_link_nor_text_of_an_error_is_stored_or_logged(
    clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(_: Verb, body: bytes) -> tuple[bytes | None, Outcome | None]:
        raise KeyError(body)

    async with consuming(clock, read_answer=fail) as house:
        callback = await house.open()
        link = house.link(callback)
        house.broker.publish(b'"a secret"', ringback_link=link, x_kept="yes", x_other="no")
        house.broker.publish(b'"a secret"', ringback_link=f"{link}x")
        first, second = await house.events()

    assert first.reason == "unexpected error: KeyError"
    assert second.reason is not None
    assert [one.headers for one in house.deliveries] == [{"x-kept": "yes"}, {}]
    logged = "\n".join(str(record.__dict__) for record in caplog.records)
    assert "KeyError at test_queue_messages.py:" in logged
    assert "a secret" not in logged
    assert link.rpartition("/")[2] not in logged


async def test_message_with_an_alias_answers_when_the_queue_is_trusted(
    trusting: QueueHouse,
) -> None:
    callback = await trusting.open(aliases=("order:1",))

    trusting.broker.publish(b"1", key="m1", ringback_alias="order:1")

    (event,) = await trusting.events()
    assert (event.source, event.state, event.delivery_key) == (QUEUE, EventState.MATCHED, "m1")
    assert (await trusting.reload(callback)).state is State.ACCEPTED
    assert trusting.broker.left == []


async def test_message_with_an_alias_waits_for_it(trusting: QueueHouse, clock: ManualClock) -> None:
    trusting.broker.publish(b'{"message": "no"}', ringback_alias="a", ringback_action="fail")
    (before,) = await trusting.events()

    callback = await trusting.open(aliases=("a",))
    clock.advance(timedelta(seconds=1))

    (after,) = await trusting.events()
    assert (before.state, after.state) == (EventState.WAITING, EventState.MATCHED)
    accepted = (await trusting.reload(callback)).accepted
    assert accepted is not None
    assert accepted.outcome == Failed(message="no")


@pytest.mark.parametrize(
    ("headers", "body", "reason"),
    [
        ({"ringback_alias": " a"}, b"1", "ringback-alias: an alias must not begin or end"),
        ({"ringback_alias": "a"}, b"{", "the body is not JSON"),
        ({"ringback_alias": "a", "ringback_action": "fail"}, b"{}", "message: Field required"),
    ],
)
async def test_message_with_an_alias_that_cannot_be_used_is_a_dead_letter(
    trusting: QueueHouse, headers: dict[str, str], body: bytes, reason: str
) -> None:
    trusting.broker.publish(body, **headers)

    assert reason in await why_dead(trusting)


@pytest.mark.parametrize("is_whole", [True, False])
async def test_link_that_is_sent_as_an_alias_is_not_stored(
    trusting: QueueHouse, *, is_whole: bool
) -> None:
    link = trusting.link(await trusting.open())
    alias = link if is_whole else link.rpartition("/")[2]

    trusting.broker.publish(b"1", ringback_alias=alias)

    assert "send it as ringback-link" in await why_dead(trusting)
    assert [one.headers for one in trusting.deliveries] == [{}]


async def test_rules_answer_when_the_queue_is_trusted(trusting: QueueHouse) -> None:
    first, second = await trusting.open(aliases=("a",)), await trusting.open(aliases=("b",))

    trusting.broker.publish(b"a ! b")

    states = [event.state for event in await trusting.events()]
    assert states == [EventState.MATCHED, EventState.DEAD, EventState.MATCHED]
    assert (await trusting.reload(first)).state is State.ACCEPTED
    assert (await trusting.reload(second)).state is State.ACCEPTED


async def test_rule_that_fails_makes_a_dead_letter(
    trusting: QueueHouse, caplog: pytest.LogCaptureFixture
) -> None:
    trusting.broker.publish(b"!", key="m1\0")

    assert await why_dead(trusting) == "rules[0].key: it must be a text"
    (record,) = (one for one in caplog.records if one.message == "message cannot be used")
    assert record.__dict__["reason"] == "rules[0].key: it must be a text"
    assert trusting.deliveries[0].delivery_key == "m1\ufffd"


async def test_message_without_a_name_needs_rules(clock: ManualClock) -> None:
    async with consuming(clock, is_trusted=True) as house:
        house.broker.publish(b"1")

        assert "there are no rules" in await why_dead(house)


async def test_message_that_comes_again_is_stored_once(trusting: QueueHouse) -> None:
    for _ in range(2):
        trusting.broker.publish(b"1", key="m1", ringback_alias="a")

    assert len(await trusting.events()) == 1
    assert trusting.broker.left == []


async def test_equal_messages_without_a_key_are_different_messages(trusting: QueueHouse) -> None:
    callback = await trusting.open(aliases=("a",), heartbeat_timeout=HOUR)
    for _ in range(2):
        trusting.broker.publish(b"5", ringback_alias="a", ringback_action="heartbeat")

    assert len(await trusting.events()) == 2
    assert (await trusting.reload(callback)).state is State.OPEN


async def test_messages_that_ask_for_different_things_are_different_messages(
    trusting: QueueHouse,
) -> None:
    for alias, action in (("a", "complete"), ("b", "complete"), ("a", "cancel")):
        trusting.broker.publish(b"1", key="m1", ringback_alias=alias, ringback_action=action)
    trusting.broker.publish(b"1", key="m1", ringback_alias="a", x_kept="yes")

    assert len(await trusting.events()) == 4


async def test_equal_dead_letters_are_stored_once(trusting: QueueHouse) -> None:
    for body in (b"1", b"1", b"2"):
        trusting.broker.publish(body, ringback_link="nonsense")

    assert len(await trusting.events()) == 2
