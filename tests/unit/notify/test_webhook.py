"""Webhooks are sent to allowed addresses; no behavior of a receiver harms the sender."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook

from ringback.domain.web_url import parse_url
from ringback.notify.addresses import PublicNetwork
from ringback.notify.webhook import (
    TIMEOUT,
    Unsigned,
    Webhooks,
    from_secret,
    opened_webhooks,
    retry_after,
)
from ringback.ports.webhooks import NotReceived, Received, Reception, Undeliverable, WebhookMessage
from ringback.testing import ManualClock
from tests.certificates import certificate, server_context
from tests.loops import ManualTimeLoop, run_in_manual_time
from tests.webhook_receiver import OK, Names, Receiver, listening

SECRET = bytes(range(32))
NOW = datetime(2030, 1, 1, tzinfo=UTC)
NAMES = Names(outside=["127.0.0.1"])


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with listening() as receiver:
        yield receiver


@pytest.fixture
async def webhooks() -> AsyncIterator[Webhooks]:
    """A sender that may also send to this machine."""
    async with opened() as webhooks:
        yield webhooks


def opened() -> AbstractAsyncContextManager[Webhooks]:
    clock = ManualClock(datetime.now(UTC))  # noqa: TID251 - the reference verifier has its own clock
    network = PublicNetwork(allows_private=True, look_up=NAMES.look_up)
    return opened_webhooks([SECRET], clock=clock, network=network)


def message(receiver: Receiver, path: str = "/told?key=hush") -> WebhookMessage:
    return WebhookMessage("no_1", f"http://outside.example:{receiver.port}{path}", b'{"type":"x"}')


async def test_message_is_posted_and_verified_by_reference_library(
    webhooks: Webhooks, receiver: Receiver
) -> None:
    reception = await webhooks.send(message(receiver))

    (request,) = receiver.got
    assert reception == Received()
    assert request.line == "POST /told?key=hush HTTP/1.1"
    assert request.headers["host"] == f"outside.example:{receiver.port}"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["webhook-id"] == "no_1"
    assert Webhook(from_secret(SECRET)).verify(request.body, dict(request.headers)) == {"type": "x"}


async def test_idempotency_key_is_a_header_of_messages_that_have_one(
    webhooks: Webhooks, receiver: Receiver
) -> None:
    await webhooks.send(message(receiver))
    await webhooks.send(replace(message(receiver), idempotency_key="cb_1"))

    keys = [request.headers.get("idempotency-key") for request in receiver.got]
    assert keys == [None, "cb_1"]


@pytest.mark.parametrize("status", ["200 OK", "202 Accepted", "204 No Content", "299 Whatever"])
async def test_any_2xx_acknowledges(webhooks: Webhooks, receiver: Receiver, status: str) -> None:
    receiver.reply = OK.replace(b"200 OK", status.encode())

    assert await webhooks.send(message(receiver)) == Received()


@pytest.mark.parametrize("status", ["400 No", "401 No", "404 No", "409 No", "500 No", "503 No"])
async def test_other_statuses_are_retried(
    webhooks: Webhooks, receiver: Receiver, status: str
) -> None:
    receiver.reply = OK.replace(b"200 OK", status.encode())

    assert await webhooks.send(message(receiver)) == NotReceived(
        f"the receiver returned {status[:3]}"
    )


async def test_status_410_is_undeliverable(webhooks: Webhooks, receiver: Receiver) -> None:
    receiver.reply = OK.replace(b"200 OK", b"410 Gone")

    assert isinstance(await webhooks.send(message(receiver)), Undeliverable)


async def test_retry_after_of_receiver_is_returned(webhooks: Webhooks, receiver: Receiver) -> None:
    receiver.reply = b"HTTP/1.1 429 Busy\r\nRetry-After: 120\r\ncontent-length: 0\r\n\r\n"

    reception = await webhooks.send(message(receiver))

    assert reception == NotReceived("the receiver returned 429", timedelta(minutes=2))


async def test_redirects_are_not_followed(webhooks: Webhooks, receiver: Receiver) -> None:
    async with listening() as other:
        to = f"http://outside.example:{other.port}/".encode()
        receiver.reply = b"HTTP/1.1 307 There\r\nlocation: " + to + b"\r\ncontent-length: 0\r\n\r\n"

        reception = await webhooks.send(message(receiver))

    assert reception == NotReceived("the receiver returned 307, and redirects are not followed")
    assert other.got == []


async def test_only_the_head_of_an_endless_reply_is_read(
    webhooks: Webhooks, receiver: Receiver
) -> None:
    receiver.reply = (
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nfffffff\r\n" + b"x" * 2**20
    )

    assert await webhooks.send(message(receiver)) == Received()


@pytest.mark.parametrize(
    "reply", [b"", b"SSH-2.0-OpenSSH_9.9\r\n", b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 2**18]
)
async def test_reply_that_is_not_http_is_retried(
    webhooks: Webhooks, receiver: Receiver, reply: bytes
) -> None:
    receiver.reply = reply

    assert isinstance(await webhooks.send(message(receiver)), NotReceived)


def test_silent_receiver_times_out() -> None:
    async def send(loop: ManualTimeLoop) -> tuple[Reception, Receiver]:
        async with listening() as receiver, opened() as webhooks:
            receiver.reply = None
            sending = asyncio.ensure_future(webhooks.send(message(receiver)))
            await receiver.next()
            loop.advance(TIMEOUT)
            return await sending, receiver

    reception, receiver = run_in_manual_time(send)

    assert reception == NotReceived("no reply in time")
    assert len(receiver.got) == 1


async def test_refused_connection_is_retried(webhooks: Webhooks) -> None:
    async with listening() as closed:
        pass

    reception = await webhooks.send(message(closed))

    assert isinstance(reception, NotReceived)
    assert reception.reason.startswith("no connection: ")
    assert "hush" not in reception.reason


async def test_loopback_receives_webhooks_only_if_allowed(receiver: Receiver) -> None:
    network = PublicNetwork(allows_private=False, look_up=NAMES.look_up)

    async with opened_webhooks([SECRET], clock=ManualClock(), network=network) as webhooks:
        reception = await webhooks.send(message(receiver))

    assert isinstance(reception, Undeliverable)
    assert "RINGBACK_ALLOW_PRIVATE_WEBHOOKS" in reception.reason
    assert receiver.got == []


async def test_address_is_checked_for_each_connection(receiver: Receiver) -> None:
    """A name that changes to a private address after the check does not reach this machine."""
    names = Names(outside=["127.0.0.1"])
    network = PublicNetwork(allows_private=True, look_up=names.look_up)

    async with opened_webhooks([SECRET], clock=ManualClock(), network=network) as webhooks:
        await webhooks.send(message(receiver))
        await webhooks.send(message(receiver))

    assert names.asked == ["outside.example"] * 2


@pytest.mark.parametrize(
    "url",
    [
        "ftp://outside.example/",
        "file:///etc/passwd",
        "//outside.example/",
        "http://",
        "http:///path",
        "https://me:hush@outside.example/",
        "https://me@outside.example/",
        "https://outside.example:99999/",
        "https://outside.example:x/",
        "https://[::1",
        "https://outside.example/\r\nx: y",
        "not a url",
        "",
    ],
)
async def test_invalid_url_is_undeliverable(webhooks: Webhooks, url: str) -> None:
    reception = await webhooks.send(WebhookMessage("no_1", url, b"{}"))

    with pytest.raises(ValueError, match="the address") as refused:
        parse_url("the address", url)
    assert reception == Undeliverable(str(refused.value))


@given(
    st.text() | st.text().map("http://127.0.0.1:1/{}".format) | st.text().map("https://{}".format)
)
def test_send_never_raises_whatever_the_url(url: str) -> None:
    network = PublicNetwork(allows_private=False, look_up=Names().look_up)

    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

    async def send() -> object:
        async with opened_webhooks(
            [SECRET], clock=ManualClock(), network=network, trust=trust
        ) as webhooks:
            return await webhooks.send(WebhookMessage("no_1", url, b"{}"))

    assert isinstance(asyncio.run(send()), Undeliverable | NotReceived)


@pytest.mark.parametrize(
    ("text", "wait"),
    [
        ("0", timedelta(0)),
        ("120", timedelta(minutes=2)),
        ("Tue, 01 Jan 2030 00:01:00 GMT", timedelta(minutes=1)),
        ("Tue, 01 Jan 2030 00:01:00 -0000", timedelta(minutes=1)),
        ("Tue, 01 Jan 2000 00:00:00 GMT", timedelta(0)),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
    ],
)
def test_retry_after_reads_seconds_and_dates(text: str, wait: timedelta | None) -> None:
    assert retry_after(text, NOW) == wait


@given(st.text() | st.text(alphabet="0123456789") | st.datetimes().map(str))
def test_retry_after_never_raises(text: str) -> None:
    wait = retry_after(text, NOW)

    assert wait is None or wait >= timedelta(0)


async def test_without_secret_nothing_is_sent_and_the_reason_names_the_setting() -> None:
    reception = await Unsigned().send(WebhookMessage("no_1", "https://outside.example", b"{}"))

    assert isinstance(reception, NotReceived)
    assert "RINGBACK_WEBHOOK_SECRETS" in reception.reason


@pytest.mark.parametrize(
    ("name", "expected"), [("outside.example", Received), ("other.example", NotReceived)]
)
async def test_tls_verifies_the_name_and_not_the_address(
    tmp_path: Path, name: str, expected: type
) -> None:
    pem = certificate(tmp_path, name)
    tls = server_context(pem)
    trust = ssl.create_default_context(cafile=pem)
    network = PublicNetwork(allows_private=True, look_up=NAMES.look_up)

    async with (
        listening(tls) as receiver,
        opened_webhooks([SECRET], clock=ManualClock(), network=network, trust=trust) as webhooks,
    ):
        url = f"https://outside.example:{receiver.port}/"
        reception = await webhooks.send(WebhookMessage("no_1", url, b"{}"))

    assert isinstance(reception, expected)
    assert len(receiver.got) == (expected is Received)
