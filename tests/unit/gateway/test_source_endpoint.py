"""Requests of providers: what is stored, what is refused, and that nothing is called stored early.

The signatures are made as the providers describe them, not by the code that verifies them.
"""

import asyncio
import hmac
import logging
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest

from ringback.domain.callback import Callback
from ringback.domain.event import EventState
from ringback.domain.outcome import Completed, Failed
from ringback.sources.matching import Fetch
from tests.factories import NOW
from tests.fake_edges import BASE, LIMIT
from tests.loops import idle
from tests.unit.core.callbacks import reload
from tests.unit.gateway.house import House, opened_house
from tests.unit.gateway.source_house import (
    SECRET,
    TOML,
    SourceHouse,
    StoreThatHesitates,
    opened_source_house,
    run_of,
    signed,
    sources_in,
)
from tests.unit.sources.signers import SNS_CERTIFICATE, TOPIC, b64, certificate, sns
from tests.unit.sources.test_handshakes import SUBSCRIBE

ONE: Final = timedelta(seconds=1)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[SourceHouse]:
    async with opened_source_house(tmp_path) as house:
        yield house


async def ended(house: House, callback: Callback) -> object:
    accepted = (await reload(house.store, callback)).accepted
    return None if accepted is None else accepted.outcome


async def test_event_completes_the_activity_that_has_its_alias(house: SourceHouse) -> None:
    callback = await house.asked(aliases=("github:run:42",))

    reply = await house.send(run_of())

    assert (reply.status_code, reply.json()) == (200, {"duplicate": False})
    (event,) = await house.events()
    assert (event.state, event.callback_id) == (EventState.MATCHED, callback.id)
    assert (event.source, event.delivery_key) == ("github", "d-1")
    assert await ended(house, callback) == Completed(b'{"conclusion":"success","attempt":1}')


async def test_rule_may_fail_the_activity(house: SourceHouse) -> None:
    callback = await house.asked(aliases=("github:run:42",))

    await house.send(run_of("failure"))
    await house.events()

    outcome = await ended(house, callback)
    assert outcome == Failed("the run ended with failure", non_retryable=True)


async def test_event_that_comes_before_its_alias_is_used(house: SourceHouse) -> None:
    assert (await house.send(run_of())).status_code == 200
    assert [one.state for one in await house.events()] == [EventState.WAITING]

    callback = await house.asked(aliases=("github:run:42",))
    house.clock.advance(ONE)

    assert [one.callback_id for one in await house.events()] == [callback.id]


async def test_same_delivery_again_is_a_duplicate(house: SourceHouse) -> None:
    replies = [(await house.send(run_of())).json() for _ in range(3)]

    assert replies == [{"duplicate": False}, {"duplicate": True}, {"duplicate": True}]
    assert len(await house.events()) == 1


async def test_other_body_under_the_same_delivery_id_is_stored(house: SourceHouse) -> None:
    """The id is in a header that nobody signs."""
    first = await house.send(run_of())
    other = await house.send(run_of(number=43))

    assert [first.json(), other.json()] == [{"duplicate": False}] * 2


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"x-hub-signature-256": "sha256=" + "0" * 64}, "signature_mismatch"),
        ({"x-hub-signature-256": ""}, "header_unreadable"),
        (signed(run_of(), "another secret"), "signature_mismatch"),
    ],
)
async def test_request_that_is_not_verified_gets_401_and_the_log_says_why(
    house: SourceHouse, caplog: pytest.LogCaptureFixture, headers: dict[str, str], reason: str
) -> None:
    with caplog.at_level(logging.WARNING):
        reply = await house.http.post("/in/github", content=run_of(), headers=headers)

    assert reply.status_code == 401
    assert reply.json()["detail"] == "the request could not be verified"
    (refused,) = [one for one in caplog.records if one.getMessage() == "event refused"]
    assert (refused.__dict__["source"], refused.__dict__["reason"]) == ("github", reason)
    assert SECRET not in str(refused.__dict__)
    assert await house.events() == []


async def test_older_secret_still_verifies(house: SourceHouse) -> None:
    headers = signed(run_of(), "an older secret")

    assert (await house.http.post("/in/github", content=run_of(), headers=headers)).is_success


async def test_unknown_source_looks_like_any_other_unknown_path(house: SourceHouse) -> None:
    unknown, other = await house.send(b"{}", to="nobody"), await house.http.post("/nothing")

    assert (unknown.status_code, unknown.json()) == (404, other.json())


async def test_event_that_no_rule_uses_is_acknowledged_and_ignored(house: SourceHouse) -> None:
    assert (await house.send(b'{"zen": "Design for failure."}')).status_code == 200

    (event,) = await house.events()
    assert (event.state, event.alias) == (EventState.IGNORED, None)


async def test_event_whose_rule_fails_is_acknowledged_and_dead(house: SourceHouse) -> None:
    body = b'{"action": "completed", "workflow_run": {"conclusion": "success"}}'

    assert (await house.send(body)).status_code == 200

    (event,) = await house.events()
    assert event.state is EventState.DEAD
    assert event.reason is not None


@pytest.mark.parametrize(
    "body", [b"\xff\xfe\x00", b"", b"[" * 5000, '{"a": "\N{GRINNING FACE}\u2028"}'.encode()]
)
async def test_verified_body_of_any_bytes_is_acknowledged(house: SourceHouse, body: bytes) -> None:
    assert (await house.send(body)).status_code == 200
    assert len(await house.events()) == 1


async def test_events_of_one_body_end_one_by_one(house: SourceHouse) -> None:
    first = await house.asked(aliases=("a",))
    body = b'{"value": [{"id": "a"}, {"id": null}, {"id": "b"}]}'

    assert (await house.send(body, to="many")).status_code == 200

    states = [one.state for one in await house.events()]
    assert states == [EventState.MATCHED, EventState.DEAD, EventState.WAITING]
    assert await ended(house, first) == Completed(b'{"id":"a"}')


@pytest.mark.parametrize("name", ["\\u0000", "\\ud800", "x" * 300])
async def test_name_of_a_delivery_that_no_database_stores_is_replaced_by_its_digest(
    house: SourceHouse, name: str
) -> None:
    body = f'{{"id": "{name}", "type": "ping"}}'.encode()
    at = int(house.clock.now().timestamp())
    digest = hmac.new(SECRET.encode(), f"{at}.".encode() + body, "sha256").hexdigest()
    headers = {"stripe-signature": f"t={at},v1={digest}"}

    replies = [await house.http.post("/in/stripe", content=body, headers=headers) for _ in range(2)]

    assert [one.json() for one in replies] == [{"duplicate": False}, {"duplicate": True}]
    (event,) = await house.events()
    assert event.delivery_key is not None
    assert re.fullmatch("[0-9a-f]{64}", event.delivery_key)


async def test_requests_beyond_the_limit_of_a_source_get_429(house: SourceHouse) -> None:
    replies = [await house.send(run_of(number=number), to="slow") for number in range(3)]
    house.clock.advance(ONE)
    replies.append(await house.send(run_of(number=3), to="slow"))

    assert [one.status_code for one in replies] == [200, 200, 429, 200]
    assert replies[2].headers["retry-after"] == "1"


async def test_handshake_is_answered_and_stores_nothing(house: SourceHouse) -> None:
    body = b'{"type": "url_verification", "challenge": "3eZbrw1aB"}'
    at = str(int(house.clock.now().timestamp()))
    digest = hmac.new(SECRET.encode(), f"v0:{at}:".encode() + body, "sha256").hexdigest()
    headers = {"x-slack-signature": f"v0={digest}", "x-slack-request-timestamp": at}

    reply = await house.http.post("/in/slack", content=body, headers=headers)
    forged = await house.http.post("/in/slack", content=body, headers={})

    assert (reply.status_code, reply.text) == (200, "3eZbrw1aB")
    assert forged.status_code == 401
    assert await house.events() == []


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_get_of_a_source_without_a_handshake_changes_nothing(
    house: SourceHouse, method: str
) -> None:
    reply = await house.http.request(method, "/in/github", headers=signed(b""))

    assert reply.status_code == 404
    assert await house.events() == []


async def test_event_that_cannot_be_stored_gets_503_and_counts_when_it_comes_again(
    house: SourceHouse,
) -> None:
    house.database.is_available = False

    replies = [await house.send(run_of()) for _ in range(2)]
    house.database.is_available = True
    kept = await house.events()
    again = await house.send(run_of())
    callback = await house.asked(aliases=("github:run:42",))
    house.clock.advance(ONE)

    for reply in replies:
        assert (reply.status_code, "retry-after" in reply.headers) == (503, True)
    assert kept == []
    assert again.json() == {"duplicate": False}
    assert [one.callback_id for one in await house.events()] == [callback.id]


SQUARE: Final = '[sources.square]\nprovider = "square"\nsecrets = ["env:SECRET"]\n'


@pytest.mark.parametrize("header", ["x-forwarded-host", "host", "forwarded"])
async def test_host_that_an_attacker_sends_is_not_part_of_the_signed_url(
    tmp_path: Path, header: str
) -> None:
    """Square signs the URL. An attacker has a signature for another address, of another user."""
    headers = {header: "host=evil.example" if header == "forwarded" else "evil.example"}
    async with opened_source_house(tmp_path, sources=sources_in(tmp_path, SQUARE)) as house:
        replies = [
            await house.http.post(
                "/in/square",
                content=b"{}",
                headers={
                    **headers,
                    "x-square-hmacsha256-signature": b64(
                        SECRET.encode(), f"{at}/in/square{{}}".encode()
                    ),
                },
            )
            for at in ("https://evil.example", BASE)
        ]

    assert [one.status_code for one in replies] == [401, 200]


async def test_delivery_id_that_a_proxy_invents_per_request_answers_once(tmp_path: Path) -> None:
    """Each retry is a new event then. The first one answers, and the others change nothing."""
    text = TOML.replace('"github"', '"bitbucket"', 1)
    async with opened_source_house(tmp_path, sources=sources_in(tmp_path, text)) as house:
        callback = await house.asked(aliases=("github:run:42",))
        signature = signed(run_of())["x-hub-signature-256"]
        replies = [
            await house.http.post(
                "/in/github",
                content=run_of(),
                headers={"x-hub-signature": signature, "x-request-uuid": f"fresh-{number}"},
            )
            for number in range(3)
        ]
        events = await house.events()
        outcome = await ended(house, callback)

    assert [one.json() for one in replies] == [{"duplicate": False}] * 3
    assert events[0].state is EventState.MATCHED
    assert {one.state for one in events[1:]} <= {EventState.MATCHED, EventState.UNMATCHED}
    assert {one.callback_id for one in events} == {callback.id}
    assert outcome == Completed(b'{"conclusion":"success","attempt":1}')


def sources_of_sns(tmp_path: Path, fetch: Fetch) -> dict[str, Any]:
    text = '[sources.aws]\nprovider = "amazon-sns"\nsecrets = ["file:topic"]\n'
    (tmp_path / "topic").write_text(TOPIC)
    return {"sources": sources_in(tmp_path, text, fetch=fetch), "fetch": fetch}


async def test_subscription_is_confirmed_once_it_is_verified(tmp_path: Path) -> None:
    fetched: list[str] = []

    def fetch(url: str) -> bytes:
        fetched.append(url)
        return certificate(begins=NOW) if url == SNS_CERTIFICATE else b"confirmed"

    subscription = {"Type": "SubscriptionConfirmation", "Subject": None, "Token": "2336"}
    body = sns(**subscription, SubscribeURL=SUBSCRIBE).body
    async with opened_house(**sources_of_sns(tmp_path, fetch)) as house:
        forged = await house.http.post("/in/aws", content=body.replace(b"2336", b"2337"))
        reply = await house.http.post("/in/aws", content=body)

    assert (forged.status_code, reply.status_code) == (401, 200)
    assert fetched == [SNS_CERTIFICATE, SUBSCRIBE]


@pytest.mark.parametrize("fails_at", [SNS_CERTIFICATE, SUBSCRIBE])
async def test_provider_sends_again_what_cannot_be_verified_or_confirmed_now(
    tmp_path: Path, fails_at: str
) -> None:
    def fetch(url: str) -> bytes:
        if url == fails_at:
            raise OSError
        return certificate(begins=NOW)

    subscription = {"Type": "SubscriptionConfirmation", "Subject": None, "Token": "2336"}
    body = sns(**subscription, SubscribeURL=SUBSCRIBE).body
    async with opened_house(**sources_of_sns(tmp_path, fetch)) as house:
        reply = await house.http.post("/in/aws", content=body)

    assert (reply.status_code, "retry-after" in reply.headers) == (503, True)


async def test_second_copy_is_not_a_duplicate_before_the_first_is_committed(tmp_path: Path) -> None:
    async with opened_source_house(tmp_path, StoreThatHesitates) as house:
        assert isinstance(house.store, StoreThatHesitates)
        body = run_of()

        async def send() -> httpx2.Response:
            return await house.http.post("/in/github", content=body, headers=signed(body))

        first, second = asyncio.ensure_future(send()), asyncio.ensure_future(send())
        await idle()
        assert not first.done()
        assert not second.done()
        house.store.may_commit.set()

        assert [(await one).json() for one in (first, second)] == [
            {"duplicate": False},
            {"duplicate": True},
        ]


@pytest.mark.parametrize("name", ["source", "alias", "before"])
async def test_list_of_events_asks_no_database_for_what_none_stores(
    house: SourceHouse, name: str
) -> None:
    reply = await house.get("/v1/events", params={name: "a\x00b"})

    assert reply.status_code == 422


@pytest.mark.parametrize(
    ("path", "body", "headers", "status"),
    [
        ("/in/github", run_of(), signed(run_of()), 200),
        ("/in/github", run_of(), signed(b""), 401),
        ("/in/nobody", run_of(), {}, 404),
        ("/in/", run_of(), {}, 404),
        ("/in/github/x", run_of(), {}, 404),
        ("/in/git%2Fhub", run_of(), {}, 404),
        ("/in/git%68ub", run_of(), signed(run_of()), 200),
        ("/in/github", b" " * (LIMIT + 1), {}, 413),
    ],
)
async def test_event_gets_the_reply_of_the_route(
    house: SourceHouse,
    routed: httpx2.AsyncClient,
    path: str,
    body: bytes,
    headers: dict[str, str],
    status: int,
) -> None:
    """Events skip FastAPI."""
    replies = [
        await http.post(path, content=body, headers={**headers, "x-github-delivery": name})
        for name, http in (("1", house.http), ("2", routed))
    ]

    assert [one.status_code for one in replies] == [status, status]
    short, long = ((one.content, sorted(one.headers.items())) for one in replies)
    assert short == long
