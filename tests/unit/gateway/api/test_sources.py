"""Operators see the configured sources, what they sent, and what was refused."""

import gzip
import hmac
import logging
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from ringback.core.hooks import Hooks
from ringback.domain.api_key import Role
from ringback.gateway.source_door import MOST_REFUSED
from ringback.sources.queue_config import load_queues
from tests.fake_edges import LIMIT
from tests.loops import idle
from tests.unit.gateway.house import House, opened_house
from tests.unit.gateway.sources import CI, SECRET, run_of, signed, sources_of, tables

ONE: Final = timedelta(seconds=1)
MORE: Final = f"""{CI}
[sources.pay]
provider = "stripe"
secrets = ["env:SECRET"]

[sources.slow]
provider = "github"
secrets = ["env:SECRET"]
limit = 1
"""
QUEUE: Final = """
[queues.orders]
url = "env:BROKER"
queue = "answers"
"""
BROKER: Final = "amqp://ada:hunter2@rabbit.example"


class Recorder(Hooks):
    """Records the results of requests."""

    def __init__(self) -> None:
        self.results: list[tuple[str, str]] = []

    def source_request_ended(self, source: str, result: str) -> None:
        self.results.append((source, result))


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
async def house(tmp_path: Path, recorder: Recorder) -> AsyncIterator[House]:
    path = tmp_path / "queues.toml"
    path.write_text(QUEUE, "utf-8")
    edges: dict[str, Any] = {
        "sources": sources_of(tmp_path, MORE),
        "queues": load_queues(path, {"BROKER": BROKER}),
        "hooks": recorder,
    }
    async with opened_house(**edges) as house:
        yield house


async def send(house: House, body: bytes, to: str = "ci", **headers: str) -> int:
    """Send a body as GitHub does; return the status."""
    reply = await house.http.post(f"/in/{to}", content=body, headers=signed(body, **headers))
    await idle()
    return reply.status_code


async def listed(house: House, name: str = "ci") -> dict[str, Any]:
    sources = (await house.get("/v1/sources")).json()["sources"]
    return next(one for one in sources if one["name"] == name)


async def refused(house: House, name: str = "ci") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await house.get(f"/v1/sources/{name}/refused")).json()["refused"]
    return found


async def test_source_is_shown_as_it_is_configured(house: House) -> None:
    assert await listed(house) == {
        "name": "ci",
        "kind": "webhook",
        "provider": "github",
        "url": "https://ring.example/in/ci",
        "place": None,
        "trusted": None,
        "secrets": 2,
        "rules": [
            {
                "when": "action == 'completed'",
                "key": "join(':', ['github', 'run', to_string(workflow_run.id)])",
                "action": "complete",
            }
        ],
        "batch": None,
        "ttl": 72 * 3600,
        "limit": 50,
        "headers": ["content-type", "x-github-event"],
        "not_signed": [
            "the URL",
            "the time of sending",
            "the header X-GitHub-Delivery",
            "the header X-GitHub-Event",
        ],
        "retries": (await listed(house))["retries"],
        "last_event_at": None,
        "recent": {},
        "requests": {},
    }


async def test_list_has_queues_and_no_secret(house: House) -> None:
    reply = await house.get("/v1/sources", Role.VIEWER)

    names = [one["name"] for one in reply.json()["sources"]]
    assert names == ["ci", "orders", "pay", "slow"]
    queue = reply.json()["sources"][1]
    assert (queue["kind"], queue["provider"], queue["place"]) == ("queue", "RabbitMQ", "answers")
    assert (queue["url"], queue["trusted"]) == (None, False)
    assert not any(secret in reply.text for secret in (SECRET, "an older secret", "hunter2"))


async def test_source_counts_its_newest_events_and_its_requests(
    house: House, recorder: Recorder
) -> None:
    await house.asked(aliases=("github:run:42",))
    for body in (run_of(), run_of(), run_of(number=43), b"{}"):
        await send(house, body)
    house.clock.advance(ONE)

    found = await listed(house)

    assert found["recent"] == {"matched": 1, "waiting": 1, "ignored": 1}
    assert found["last_event_at"] == "2030-01-01T00:00:00Z"
    assert found["requests"] == {"accepted": 3, "duplicate": 1}
    assert recorder.results == [
        ("ci", "accepted"),
        ("ci", "duplicate"),
        *[("ci", "accepted")] * 2,
    ]


async def test_refused_request_has_a_diagnosis_and_no_secret(house: House) -> None:
    body = run_of()
    await send(house, body, **{"x-hub-signature-256": "sha256=" + "0" * 64})
    house.clock.advance(ONE)
    await house.http.post("/in/ci", content=body)

    missing, mismatch = await refused(house)

    assert (mismatch["reason"], mismatch["size"]) == ("signature_mismatch", len(body))
    assert "the secret is another one, or what is signed was changed" in mismatch["message"]
    assert mismatch["first_at"] == mismatch["last_at"] == "2030-01-01T00:00:00Z"
    assert missing["message"] == "the header X-Hub-Signature-256 is missing"
    assert SECRET not in str([missing, mismatch])
    assert (await listed(house))["requests"] == {"signature_mismatch": 1, "header_missing": 1}


async def test_refused_request_that_is_too_old_says_how_old(house: House) -> None:
    body = b'{"id": "evt_1"}'
    at = int(house.clock.now().timestamp()) - 412
    digest = hmac.new(SECRET.encode(), f"{at}.".encode() + body, "sha256").hexdigest()

    await house.http.post(
        "/in/pay", content=body, headers={"stripe-signature": f"t={at},v1={digest}"}
    )

    (found,) = await refused(house, "pay")
    assert found["reason"] == "timestamp_too_old"
    assert found["message"] == "the timestamp is 412 s old; the limit is 300 s"


async def test_equal_refusals_in_a_row_are_one_entry(house: House) -> None:
    for _ in range(3):
        await house.http.post("/in/ci", content=b"{}")
        house.clock.advance(ONE)

    (found,) = await refused(house)

    assert (found["count"], found["reason"]) == (3, "header_missing")
    assert (found["first_at"], found["last_at"]) == ("2030-01-01T00:00:00Z", "2030-01-01T00:00:02Z")


async def test_refusals_are_bounded_and_never_stored(house: House) -> None:
    before = await tables(house.database)
    forged = {"stripe-signature": "t=1"}
    for number in range(MOST_REFUSED + 10):
        await house.http.post("/in/pay", content=b"{}", headers=forged if number % 2 else {})

    assert len(await refused(house, "pay")) == MOST_REFUSED
    assert await tables(house.database) == before


async def test_requests_beyond_the_limit_are_counted_and_not_listed(house: House) -> None:
    statuses = [await send(house, run_of(number=number), "slow") for number in range(3)]

    assert statuses == [200, 429, 429]
    assert (await listed(house, "slow"))["requests"] == {"accepted": 1, "rate_limited": 2}
    assert await refused(house, "slow") == []


async def test_body_that_is_too_large_and_one_that_could_not_be_stored_are_listed(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    bomb = gzip.compress(b" " * (LIMIT + 1))
    statuses = [
        await send(house, b" " * (LIMIT + 1)),
        await send(house, bomb, **{"content-encoding": "gzip"}),
    ]
    house.database.is_available = False
    statuses.append(await send(house, run_of()))
    house.database.is_available = True

    unavailable, large = await refused(house)

    assert statuses == [413, 413, 503]
    assert (large["reason"], large["count"], large["size"]) == ("too_large", 2, len(bomb))
    assert unavailable["reason"] == "unavailable"


async def test_handshake_is_counted(tmp_path: Path) -> None:
    text = '[sources.chat]\nprovider = "slack"\nsecrets = ["env:SECRET"]\n'
    body = b'{"type": "url_verification", "challenge": "3eZbrw1aB"}'
    async with opened_house(sources=sources_of(tmp_path, text)) as house:
        at = str(int(house.clock.now().timestamp()))
        digest = hmac.new(SECRET.encode(), f"v0:{at}:".encode() + body, "sha256").hexdigest()
        headers = {"x-slack-signature": f"v0={digest}", "x-slack-request-timestamp": at}
        await house.http.post("/in/chat", content=body, headers=headers)

        assert (await listed(house, "chat"))["requests"] == {"handshake": 1}


async def test_unknown_source_is_not_found(house: House) -> None:
    reply = await house.get("/v1/sources/nobody/refused")

    assert reply.status_code == 404
    assert reply.json()["detail"] == "there is no source 'nobody'; see: ringback sources"
