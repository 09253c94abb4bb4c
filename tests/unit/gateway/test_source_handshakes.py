"""Handshakes of providers: what they offer, and what they must know."""

import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest

from tests.unit.gateway.source_house import SourceHouse, opened_source_house, sources_in

TOML: Final = """
[sources.asana]
provider = "asana"
secrets = ["env:SECRET"]

[sources.notion]
provider = "notion"
secrets = ["env:SECRET"]

[sources.meta]
provider = "meta"
secrets = ["env:SECRET"]
verify_token = "env:OLD"

[sources.silent]
provider = "meta"
secrets = ["env:SECRET"]
"""
OFFERED: Final = "b537207f20cbfa02"


class Offers:
    """Keeps offers in memory."""

    def __init__(self) -> None:
        self.kept: list[tuple[str, str]] = []
        self.fails = False

    def keep(self, source: str, secret: str) -> Path:
        if self.fails:
            raise OSError(28, "No space left on device")
        self.kept.append((source, secret))
        return Path(f"/data/{source}.txt")


@pytest.fixture
def offers() -> Offers:
    return Offers()


@pytest.fixture
async def house(tmp_path: Path, offers: Offers) -> AsyncIterator[SourceHouse]:
    sources = sources_in(tmp_path, TOML)
    async with opened_source_house(tmp_path, sources=sources, keep_offer=offers.keep) as house:
        yield house


async def test_secret_that_a_provider_offers_is_kept_and_not_logged(
    house: SourceHouse, offers: Offers, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        asana = await house.http.post("/in/asana", headers={"x-hook-secret": OFFERED})
        notion = await house.http.post("/in/notion", json={"verification_token": OFFERED})

    assert (asana.status_code, asana.headers["x-hook-secret"]) == (200, OFFERED)
    assert notion.status_code == 200
    assert offers.kept == [("asana", OFFERED), ("notion", OFFERED)]
    facts = [one.__dict__ for one in caplog.records if one.getMessage() == "handshake answered"]
    assert [one["offered_secret_file"] for one in facts] == ["/data/asana.txt", "/data/notion.txt"]
    assert OFFERED not in str(facts) + caplog.text
    assert await house.events() == []


async def test_handshake_whose_secret_cannot_be_kept_fails_and_the_log_says_why(
    house: SourceHouse, offers: Offers, caplog: pytest.LogCaptureFixture
) -> None:
    offers.fails = True

    reply = await house.http.post("/in/asana", headers={"x-hook-secret": OFFERED})

    assert reply.status_code == 503
    assert "x-hook-secret" not in reply.headers
    (failed,) = [one for one in caplog.records if one.getMessage() == "handshake failed"]
    assert failed.__dict__["detail"] == (
        "the offered secret cannot be written: No space left on device"
    )
    assert OFFERED not in str(failed.__dict__)


@pytest.mark.parametrize(
    ("source", "token", "status"),
    [("meta", "an older secret", 200), ("meta", "another", 404), ("silent", "", 404)],
)
async def test_meta_gets_an_answer_if_it_knows_the_verify_token(
    house: SourceHouse, caplog: pytest.LogCaptureFixture, source: str, token: str, status: int
) -> None:
    query = {"hub.mode": "subscribe", "hub.challenge": "1158201444", "hub.verify_token": token}

    reply = await house.http.get(f"/in/{source}", params=query)

    assert reply.status_code == status
    assert (reply.text == "1158201444") is (status == 200)
    refused = [one for one in caplog.records if one.getMessage() == "handshake refused"]
    assert len(refused) == (status != 200)
    assert "an older secret" not in str([one.__dict__ for one in caplog.records])
