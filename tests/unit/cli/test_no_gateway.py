"""Commands without a gateway, or without a valid key, print one line that says what to do."""

from pathlib import Path

import pytest

from ringback.app.web import free_ports
from ringback.domain.api_key import Role
from tests.unit.cli.commands import Served, ringback
from tests.unit.gateway.house import key_of

COMMANDS = [
    ["list"],
    ["show", "cb_1"],
    ["audit", "cb_1"],
    ["link", "cb_1"],
    ["revoke", "cb_1"],
    ["extend", "cb_1", "1h"],
    ["redeliver", "cb_1"],
    ["give-up", "cb_1"],
    ["give-up", "--parked"],
    ["approve", "cb_1"],
    ["reject", "cb_1"],
    ["complete", "cb_1"],
    ["fail", "cb_1", "--message", "no"],
    ["heartbeat", "cb_1"],
    ["cancel", "cb_1"],
]

each_command = pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])


@each_command
def test_command_without_a_key_says_how_to_get_one_and_creates_nothing(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RINGBACK_DATA", str(tmp_path / "mistyped"))

    ran = ringback(*words)

    assert (ran.code, ran.out) == (2, "")
    assert str(tmp_path / "mistyped" / "operator.key") in ran.err
    assert "RINGBACK_URL and RINGBACK_API_KEY" in ran.err
    assert "ringback keys add --role operator" in ran.err
    assert ran.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@each_command
def test_command_without_a_gateway_may_be_tried_again(
    words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"http://127.0.0.1:{free_ports(1)[0]}"
    monkeypatch.setenv("RINGBACK_URL", url)
    monkeypatch.setenv("RINGBACK_API_KEY", key_of(Role.OPERATOR))

    ran = ringback(*words)

    assert (ran.code, ran.out) == (3, "")
    assert f"the gateway at {url} cannot be reached" in ran.err
    assert ran.err.count("\n") == 1


@each_command
def test_key_of_another_role_is_refused(
    words: list[str], gateway: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RINGBACK_API_KEY", key_of(Role.WORKER))

    ran = ringback(*words)

    assert gateway.url
    assert (ran.code, ran.out) == (1, "")
    assert "role" in ran.err
    assert ran.err.count("\n") == 1


def test_unknown_key_says_where_it_came_from(
    gateway: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RINGBACK_API_KEY", key_of(Role.OPERATOR) + "x")

    ran = ringback("list")

    assert (ran.code, ran.out) == (1, "")
    assert f"the gateway at {gateway.url} rejects the API key of RINGBACK_API_KEY" in ran.err
