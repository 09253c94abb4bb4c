"""`ringback status` says in one screen whether anything is wrong."""

from collections.abc import Iterator

import pytest

import ringback as package
from tests.unit.cli.commands import Served, ringback, served_house


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """A gateway on fakes."""
    with served_house() as served:
        for name, value in served.environment.items():
            monkeypatch.setenv(name, value)
        yield served


@pytest.mark.usefixtures("gateway")
def test_status_of_a_gateway_without_problems_ends_with_0() -> None:
    shown = ringback("status")

    assert shown.code == 0
    assert shown.out.startswith("all is well\n")
    for line in ("store        ok", "Temporal     ok", "undelivered  none", "overdue      none"):
        assert line in shown.out.splitlines()
    assert f"gateway      {package.__version__}, namespace default" in shown.out


def test_problem_comes_first_with_what_to_do_and_ends_with_1(gateway: Served) -> None:
    gateway.house.activities.is_reachable = False

    shown = ringback("status")

    assert shown.code == 1
    first, do, page, *_ = shown.out.splitlines()
    assert first == "PROBLEM      Temporal cannot be reached, so answers are stored and wait"
    assert do.startswith("  do         bring Temporal back")
    assert page == "  read       docs/howto/alerts.md#ringbacktemporaldown"


def test_json_has_the_same(gateway: Served) -> None:
    gateway.house.activities.is_reachable = False

    shown = ringback("status", "--json")

    assert shown.code == 1
    assert [one["what"] for one in shown.json["problems"]] == ["temporal"]


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_gateway_that_does_not_reply_is_a_problem(
    gateway: Served, monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    assert gateway.url
    monkeypatch.setenv("RINGBACK_URL", "http://127.0.0.1:1")

    shown = ringback("status", *options)

    assert shown.code == 1
    assert "ringback serve" in shown.out
