"""What the drivers of all brokers share."""

import traceback

import pytest

from ringback.domain.errors import QueueUnavailableError
from ringback.ports.queue import QueueMessage
from ringback.queues.drivers import Buffer, QueueAddress, to_headers

URLS = [
    ("amqp://user:s3cret%2F@rabbit:5671/vhost", ["s3cret%2F", "s3cret/"], "rabbit:5671"),
    ("amqp://user:one,two@rabbit", ["one,two"], "rabbit"),
    ("amqp://user:not/encoded?@rabbit/", ["not/encoded?"], "rabbit"),
    ("nats://s3cret@nats:4222", ["s3cret"], "nats:4222"),
    ("nats://a:s3cret@one:1,nats://b:other@two:2", ["s3cret", "other"], "one:1,two:2"),
    ("kafka://a:s3cret@one:1,two:2?mechanism=PLAIN", ["s3cret"], "one:1,two:2"),
    ("redis://:s3cret@[::1]:6379/0?x=y", ["s3cret"], "[::1]:6379"),
]


@pytest.mark.parametrize(("url", "secrets", "address"), URLS)
async def test_error_names_the_server_and_hides_the_secrets(
    url: str, secrets: list[str], address: str
) -> None:
    place = QueueAddress("Broker", url, "queue 'answers'")
    quoted = f"{url} {' '.join(secrets)} refused"

    with pytest.raises(QueueUnavailableError) as caught:
        async with place.reached(ValueError):
            raise ValueError(quoted)

    text = "".join(traceback.format_exception(caught.value))
    assert f"cannot read queue 'answers' of Broker at {address}: " in text
    assert text.strip().endswith("refused")
    assert not any(secret in text for secret in secrets)


async def test_error_without_a_text_has_its_type() -> None:
    with pytest.raises(QueueUnavailableError, match="ConnectionResetError"):
        async with QueueAddress("Broker", "amqp://host", "queue").reached():
            raise ConnectionResetError


async def test_reply_that_does_not_come_is_an_error() -> None:
    with pytest.raises(QueueUnavailableError, match="did not reply in 0 seconds"):
        async with QueueAddress("Broker", "amqp://host", "queue").reached(seconds=0):
            await Buffer().take(1)


def test_headers_have_lower_case_names_and_text() -> None:
    pairs = [("A", "1"), ("a", "2"), (b"B", "\xe4".encode()), ("c", 3), ("d", b"\xff"), ("e", None)]

    assert to_headers(pairs) == {"a": "1", "b": "\xe4"}


@pytest.mark.parametrize("character", ["x", "\xe4", "\U0001f600"])
def test_header_of_more_than_64_kib_is_dropped(character: str) -> None:
    longest = character * (65536 // len(character.encode()))

    assert to_headers([("fits", longest), ("too-long", longest + "x")]) == {"fits": longest}


def test_header_that_is_no_text_is_dropped() -> None:
    assert to_headers([("surrogate", "\udcff"), ("\udcff", "name"), ("a", "1")]) == {"a": "1"}


def test_only_the_first_hundred_headers_count() -> None:
    assert len(to_headers((f"h{number}", "1") for number in range(150))) == 100


async def test_lost_connection_ends_a_wait_and_forgets_what_was_not_received() -> None:
    buffer = Buffer()
    buffer.put(QueueMessage(b"1", {}, None, 1))

    buffer.fail(QueueUnavailableError("cut"))
    buffer.fail(QueueUnavailableError("later"))

    for _ in range(2):
        with pytest.raises(QueueUnavailableError, match="cut"):
            await buffer.take(1)
