"""Operators list, show and replay events."""

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.unit.cli.commands import Served, ringback, served_house
from tests.unit.gateway.sources import run_of, signed, sources_of


@pytest.fixture
def gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """A gateway on fakes with a source."""
    monkeypatch.setenv("RINGBACK_DATA", str(tmp_path))
    with served_house(sources=sources_of(tmp_path)) as served:
        for name, value in served.environment.items():
            monkeypatch.setenv(name, value)
        yield served


def send(gateway: Served, body: bytes) -> str:
    """Send a body as the provider does; return the id of its event."""
    assert httpx2.post(f"{gateway.url}/in/ci", content=body, headers=signed(body)).is_success
    return str(ringback("events", "--limit", "1", "--json").json["events"][0]["id"])


def test_events_are_listed_with_and_without_the_word_list(gateway: Served) -> None:
    waits = send(gateway, run_of())
    ignored = send(gateway, b"{}")

    plain, listed = ringback("events"), ringback("events", "list")
    some = ringback("events", "--state", "ignored", "--json")
    page = ringback("events", "list", "--source", "ci", "--limit", "1")

    assert (plain.code, plain.out) == (0, listed.out)
    assert [line.split("\t")[0] for line in plain.out.splitlines()[1:]] == [ignored, waits]
    assert [one["id"] for one in some.json["events"]] == [ignored]
    assert page.err == f"more: --before {ignored}\n"


def test_event_is_shown_with_its_body(gateway: Served) -> None:
    event_id = send(gateway, b'{"a": 1,\n "b": "\x1b[2J"}')

    shown = ringback("events", "show", event_id)

    assert shown.code == 0
    lines = [line.split(maxsplit=1) for line in shown.out.splitlines()]
    assert ["id", event_id] in lines
    assert ["state", "dead"] in lines
    assert ["place", "1 of 1"] in lines
    assert "header x-github-event  workflow_run" in shown.out
    assert shown.out.endswith('body:\n{"a": 1,\n "b": "\ufffd[2J"}\n')
    assert ringback("events", "show", event_id, "--json").json["body"] is not None


def test_body_is_printed_byte_for_byte(gateway: Served) -> None:
    text = send(gateway, run_of())
    binary = send(gateway, b"\xff")

    assert ringback("events", "show", text, "--body").out == run_of().decode()
    assert "body in base64:\n/w==\n" in ringback("events", "show", binary).out
    assert ringback("events", "show", text, "--body", "--json").code == 2


def test_event_is_replayed(gateway: Served) -> None:
    ignored = send(gateway, b"{}")
    waits = send(gateway, run_of())

    replayed = ringback("events", "replay", ignored)
    refused = ringback("events", "replay", waits)

    assert (
        replayed.out
        == f"{ignored} is ignored: no rule applies (replayed; it was ignored: no rule applies)\n"
    )
    assert ringback("events", "replay", ignored, "--json").json["id"] == ignored
    assert (refused.code, refused.out) == (1, "")
    assert "it is waiting" in refused.err


@pytest.mark.usefixtures("gateway")
def test_unknown_event_is_refused() -> None:
    unknown, wrong = ringback("events", "show", "ev_1"), ringback("events", "show", "cb_1")

    assert (unknown.code, wrong.code) == (1, 2)
    assert "there is no event ev_1; see: ringback events" in unknown.err
    assert "begins with ev_" in wrong.err
