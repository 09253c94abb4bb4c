"""Messages are committed before they are acknowledged, whatever fails in between."""

import logging
from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import pairwise

import pytest

from ringback.core.queue_consumer import FIRST_WAIT, LONGEST_WAIT
from ringback.domain.callback import State
from ringback.domain.errors import QueueUnavailableError
from ringback.domain.event import EventState
from ringback.domain.link import Verb
from ringback.domain.outcome import Outcome
from ringback.testing import ManualClock
from tests.loops import idle
from tests.unit.core.queue_house import MINUTE, QueueHouse, consuming, rules

SECOND = timedelta(seconds=1)


@pytest.fixture
async def house(clock: ManualClock) -> AsyncIterator[QueueHouse]:
    async with consuming(clock, is_trusted=True, to_events=rules) as house:
        yield house


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING]


async def test_answer_is_committed_before_it_is_acknowledged(house: QueueHouse) -> None:
    callback = await house.open()

    house.broker.publish(b"1", ringback_link=house.link(callback))
    await idle()

    assert house.broker.log == ["committed an answer", "acknowledged b'1'"]


@pytest.mark.parametrize("headers", [{"ringback_alias": "a"}, {"ringback_link": "nonsense"}])
async def test_event_and_dead_letter_are_committed_before_they_are_acknowledged(
    house: QueueHouse, headers: dict[str, str]
) -> None:
    house.broker.publish(b"1", **headers)
    await idle()

    assert house.broker.log == ["committed b'1'", "acknowledged b'1'"]


async def test_nothing_is_acknowledged_while_the_store_is_away(
    house: QueueHouse, caplog: pytest.LogCaptureFixture
) -> None:
    callback = await house.open()
    house.database.is_available = False

    house.broker.publish(b"1", ringback_link=house.link(callback))
    house.broker.publish(b"2", key="m2", ringback_alias="a")
    house.broker.publish(b"3", ringback_link="nonsense")
    for _ in range(5):
        await house.wait()
    left = house.broker.left
    house.database.is_available = True
    await house.wait()

    assert left == [b"1", b"2", b"3"]
    assert house.broker.left == []
    assert (await house.reload(callback)).state is State.ACCEPTED
    assert {one.state for one in await house.events()} == {EventState.WAITING, EventState.DEAD}
    assert house.broker.connections == 1
    said = [one for one in caplog.records if one.message == "messages wait"]
    assert [one.__dict__["reason"] for one in said] == ["the in-memory store was switched off"]


async def test_each_outage_is_logged_once(
    house: QueueHouse, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        house.database.is_available = False
        house.broker.publish(b"1", ringback_link="nonsense")
        await house.wait()
        house.database.is_available = True
        await house.wait()

    assert warnings(caplog).count("messages wait") == 2


async def test_message_that_waits_does_not_stop_the_others(house: QueueHouse) -> None:
    """Whether a cancellation was requested is asked of Temporal."""
    canceled, completed = await house.open(), await house.open()
    house.activities.is_reachable = False

    house.broker.publish(b"", ringback_link=house.link(canceled), ringback_action="cancel")
    house.broker.publish(b"1", ringback_link=house.link(completed))
    await house.wait(SECOND / 2)
    left = house.broker.left
    house.activities.is_reachable = True
    house.activities.request_cancel(canceled.ref)
    await house.wait()

    assert left == [b""]
    assert (await house.reload(completed)).state is State.ACCEPTED
    assert (await house.reload(canceled)).state is State.ACCEPTED
    assert house.broker.left == []


async def test_retries_are_ever_less_often(clock: ManualClock) -> None:
    tries: list[timedelta] = []

    async def fail(_: Verb, _body: bytes) -> tuple[bytes | None, Outcome | None]:
        tries.append(clock.monotonic())
        msg = "not now"
        raise QueueUnavailableError(msg)

    async with consuming(clock, read_answer=fail) as house:
        callback = await house.open()
        house.broker.publish(b"1", ringback_link=house.link(callback))
        for _ in range(200):
            await house.wait(SECOND)

    gaps = [later - earlier for earlier, later in pairwise(tries)]
    assert gaps[0] == FIRST_WAIT
    assert sorted(gaps) == gaps
    assert gaps[-1] == LONGEST_WAIT
    assert len(tries) < 12


async def test_poison_among_good_messages_stops_nothing(clock: ManualClock) -> None:
    async def poisoned(verb: Verb, body: bytes) -> tuple[bytes | None, Outcome | None]:
        assert verb is Verb.HEARTBEAT
        if body == b"13":
            raise ZeroDivisionError
        return body, None

    async with consuming(clock, is_trusted=True, read_answer=poisoned) as house:
        for number in range(40):
            body = str(number).encode()
            house.broker.publish(body, ringback_alias="a", ringback_action="heartbeat")
        events = await house.events()

    dead = [one for one in events if one.state is EventState.DEAD]
    assert [one.reason for one in dead] == ["unexpected error: ZeroDivisionError"]
    assert (len(events), house.broker.left) == (40, [])


async def test_lost_connection_brings_the_messages_again_which_are_duplicates(
    house: QueueHouse,
) -> None:
    callback = await house.open()
    house.broker.refuses_acknowledgements = True

    house.broker.publish(b"1", ringback_link=house.link(callback))
    house.broker.publish(b"2", key="m2", ringback_alias="a")
    await idle()
    left = house.broker.left
    await house.wait()

    assert left == [b"1", b"2"]
    assert house.broker.left == []
    assert house.broker.connections == 2
    assert len(await house.events()) == 1
    assert (await house.reload(callback)).state is State.ACCEPTED


async def test_consumer_stops_although_a_driver_swallows_the_cancellation(
    clock: ManualClock,
) -> None:
    async with consuming(clock) as house:
        house.broker.swallows_cancellation = True

    assert house.broker.connections == 1


async def test_lost_connection_cancels_what_is_in_flight(
    house: QueueHouse,
) -> None:
    house.database.is_available = False
    house.broker.publish(b"1", key="m1", ringback_alias="a")
    await idle()

    house.broker.drop()
    await house.wait(SECOND)
    house.database.is_available = True
    for _ in range(3):
        await house.wait(SECOND)

    assert house.broker.log.count("committed b'1'") == 1
    assert house.broker.left == []


async def test_broker_that_is_away_is_logged_once_and_connected_again(
    house: QueueHouse, caplog: pytest.LogCaptureFixture
) -> None:
    await house.wait(2 * LONGEST_WAIT)
    house.broker.is_up = False
    house.broker.drop()
    for _ in range(10):
        await house.wait(MINUTE)
    house.broker.is_up = True
    house.broker.publish(b"1", ringback_alias="a")
    await house.wait()

    said = "cannot consume a queue: orders: the connection is lost"
    assert warnings(caplog) == [said]
    assert house.broker.left == []
    assert house.broker.connections == 2


async def test_next_outage_is_logged_again(
    house: QueueHouse, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        house.broker.drop()
        await house.wait()

    assert len(warnings(caplog)) == 2


@pytest.mark.parametrize(
    "error",
    [
        ConnectionError("amqp://ada:secret@host"),
        ExceptionGroup("driver", [ConnectionError("amqp://ada:secret@host")]),
    ],
)
async def test_unexpected_error_of_a_driver_is_an_outage_whose_text_is_not_logged(
    house: QueueHouse, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    house.broker.broken = error
    house.broker.publish(b"1", ringback_alias="a")
    await house.wait()

    (said,) = warnings(caplog)
    assert "unexpected error: ConnectionError at " in said
    assert "secret" not in said
    assert house.broker.left == []


async def test_error_of_a_driver_during_an_acknowledgement_is_an_outage(
    house: QueueHouse, caplog: pytest.LogCaptureFixture
) -> None:
    house.database.is_available = False
    house.broker.publish(b"1", ringback_alias="a")
    await idle()
    house.database.is_available = True
    house.broker.broken = ConnectionError("amqp://ada:secret@host")
    for _ in range(3):
        await house.wait()

    assert "secret" not in "".join(warnings(caplog))
    assert house.broker.left == []
    assert house.broker.connections == 2


async def test_at_most_the_prefetched_messages_are_held(clock: ManualClock) -> None:
    async with consuming(clock, is_trusted=True, prefetch=2) as house:
        house.database.is_available = False
        for number in range(5):
            house.broker.publish(str(number).encode(), ringback_alias="a")
        await house.wait(MINUTE)
        held = len(house.deliveries)
        house.database.is_available = True
        for _ in range(5):
            await house.wait(MINUTE)
        left = house.broker.left

    assert held == 4  # each of two was tried twice
    assert left == []
