"""Operators look at the configured sources."""

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.unit.cli.commands import Served, ringback, served_house
from tests.unit.gateway.sources import SECRET, run_of, signed, sources_of


@pytest.fixture
def gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """A gateway on fakes with a source."""
    monkeypatch.setenv("RINGBACK_DATA", str(tmp_path))
    with served_house(sources=sources_of(tmp_path)) as served:
        for name, value in served.environment.items():
            monkeypatch.setenv(name, value)
        yield served


def send(gateway: Served, body: bytes, headers: dict[str, str]) -> None:
    httpx2.post(f"{gateway.url}/in/ci", content=body, headers=headers)


def test_sources_are_listed_with_what_they_sent(gateway: Served) -> None:
    send(gateway, run_of(), signed(run_of()))
    send(gateway, run_of(), {})

    plain, listed = ringback("sources"), ringback("sources", "list")

    assert (plain.code, plain.out) == (0, listed.out)
    names, values = [line.split("\t") for line in plain.out.splitlines()]
    assert dict(zip(names, values, strict=True)) == {
        "source": "ci",
        "provider": "github",
        "last event": "2030-01-01T00:00:00Z",
        "waiting": "1",
        "accepted": "1",
        "refused": "1",
        "rate limited": "0",
        "rules": "1",
        "secrets": "2",
        "url": "https://ring.example/in/ci",
    }
    assert ringback("sources", "--json").json["sources"][0]["requests"] == {
        "accepted": 1,
        "header_missing": 1,
    }


@pytest.mark.usefixtures("gateway")
def test_source_is_shown_with_its_rules_and_without_its_secrets() -> None:
    shown = ringback("sources", "show", "ci")

    assert shown.code == 0
    for line in (
        "webhook     github",
        "url         https://ring.example/in/ci",
        "limit       50 requests per second",
        "rules[0]    complete join(':', ['github', 'run', to_string(workflow_run.id)])"
        " when action == 'completed'",
    ):
        assert line in shown.out
    assert "the header X-GitHub-Event" in shown.out
    assert SECRET not in shown.out
    assert ringback("sources", "show", "ci", "--json").json["name"] == "ci"


def test_refused_requests_are_listed_with_their_diagnosis(gateway: Served) -> None:
    before = ringback("sources", "refused", "ci")
    send(gateway, run_of(), {})
    send(gateway, run_of(), {})

    after = ringback("sources", "refused", "ci")

    assert before.out == "no request was refused since 2030-01-01T00:00:00Z\n"
    assert after.out.splitlines()[1].split("\t") == [
        "2030-01-01T00:00:00Z",
        "header_missing",
        "2",
        str(len(run_of())),
        "the header X-Hub-Signature-256 is missing",
    ]
    assert ringback("sources", "refused", "ci", "--json").json["refused"][0]["count"] == 2


@pytest.mark.usefixtures("gateway")
@pytest.mark.parametrize("command", ["show", "refused"])
def test_unknown_source_is_refused(command: str) -> None:
    ran = ringback("sources", command, "nobody")

    assert ran.code == 1
    assert "there is no source 'nobody'; see: ringback sources" in ran.err


def test_request_is_tried(gateway: Served, tmp_path: Path) -> None:
    callback = gateway.asked(aliases=("github:run:42",), result_schema='{"type": "integer"}')
    file = tmp_path / "body.json"
    file.write_bytes(run_of())
    words = ("sources", "test", "ci", "--file", str(file))
    headers = [f"{name}: {value}" for name, value in signed(run_of()).items()]

    plain = ringback(*words)
    right = ringback(*words, *(word for one in headers for word in ("--header", one)))
    wrong = ringback(*words, "--header", "X-Hub-Signature-256: sha256=00", "--json")

    assert plain.code == 0
    assert plain.out.startswith("not checked: ")
    assert "\nevent 1: complete by rules[0]\n" in plain.out
    assert "  alias     github:run:42\n" in plain.out
    assert '  answer    "success"\n' in plain.out
    assert f"  callback  {callback.id} is open\n" in plain.out
    assert "  problem 1 the result: " in plain.out
    assert right.out.startswith("verified: the secret 1 of 2 fits\n")
    assert wrong.json["verification"]["state"] == "refused"
    assert ringback("events", "--json").json["events"] == []


@pytest.mark.usefixtures("gateway")
def test_event_that_would_wait_or_be_ignored_is_explained() -> None:
    waits = ringback("sources", "test", "ci", "--file", "-", stdin=run_of().decode())
    ignored = ringback("sources", "test", "ci", "--file", "-", stdin="{}")

    assert "none has the alias now; the event would wait" in waits.out
    assert "event 1: ignored\n  reason    no rule applies\n" in ignored.out


@pytest.mark.usefixtures("gateway")
@pytest.mark.parametrize(
    "words", [["--file", "/nowhere"], ["--file", "-", "--header", "no colon"], []]
)
def test_unusable_trial_is_refused(words: list[str]) -> None:
    assert ringback("sources", "test", "ci", *words).code == 2


def test_gateway_without_sources_says_how_to_add_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RINGBACK_DATA", str(tmp_path))
    with served_house() as served:
        for name, value in served.environment.items():
            monkeypatch.setenv(name, value)

        assert "write [sources.NAME]" in ringback("sources").out
