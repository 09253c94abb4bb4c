"""`ringback purge` counts, exports and deletes what ended long ago."""

import json
import stat
from datetime import timedelta
from pathlib import Path

import pytest

from ringback.domain.event import EventState
from ringback.domain.outcome import Completed
from ringback.ports.events import NewEvent, SourceDelivery
from tests import factories
from tests.unit.cli.commands import Served, ringback

HOUR = timedelta(hours=1)


def applied(gateway: Served) -> str:
    """Return a callback whose answer was applied an hour ago."""
    house, callback = gateway.house, gateway.asked()
    gateway.do(house.store.accept([factories.answer(callback.id, Completed(b'"hush"'))]))
    gateway.do(house.store.settle([factories.settlement(gateway.now(callback.id))]))
    house.clock.advance(HOUR)
    return callback.id


def received(gateway: Served) -> None:
    """Store an event that no rule used, an hour ago."""
    ignored = NewEvent(factories.event_id(), EventState.IGNORED)
    sent = SourceDelivery("default", "s", "d", None, {}, b"\xff", [ignored])
    gateway.do(gateway.house.store.store_deliveries([sent]))
    gateway.house.clock.advance(HOUR)


def is_stored(callback_id: str) -> bool:
    return ringback("show", callback_id).code == 0


def test_purge_deletes_callbacks_and_events(gateway: Served) -> None:
    callback_id = applied(gateway)
    received(gateway)

    ran = ringback("purge", "--older-than", "1h")

    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("deleted\n")
    assert "           1  callbacks\n" in ran.out
    assert "           1  source_deliveries\n" in ran.out
    assert not is_stored(callback_id)


def test_dry_run_counts_and_deletes_nothing(gateway: Served) -> None:
    callback_id = applied(gateway)

    ran = ringback("purge", "--dry-run", "--older-than", "1h", "--json")

    assert ran.json["deleted"] is False
    assert ran.json["rows"]["callbacks"] == 1
    assert is_stored(callback_id)


@pytest.mark.usefixtures("gateway")
def test_nothing_is_old_enough() -> None:
    assert ringback("purge", "--older-than", "1h").out == "nothing ended so long ago\n"


def test_export_has_one_line_per_callback_that_only_its_owner_reads(
    gateway: Served, tmp_path: Path
) -> None:
    ids = sorted(applied(gateway) for _ in range(23))
    received(gateway)
    file = tmp_path / "ended.jsonl"

    ran = ringback("purge", "--older-than", "1h", "--export", str(file), "--json")

    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert ran.json["rows"]["callbacks"] == 23
    assert sorted(line["id"] for line in lines if line["kind"] == "callbacks") == ids
    assert [line["kind"] for line in lines if line["kind"] != "callbacks"] == ["events"]
    assert lines[0]["rows"]["outcomes"][0]["body"] == '"hush"'
    assert [one["kind"] for one in lines[0]["rows"]["audit_trail"]] == ["opened", "applied"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert not any(is_stored(one) for one in ids[:2])


def test_dry_run_with_export_writes_and_deletes_nothing(gateway: Served, tmp_path: Path) -> None:
    callback_id = applied(gateway)
    file = tmp_path / "ended.jsonl"

    ran = ringback("purge", "--dry-run", "--older-than", "1h", "--export", str(file))

    assert ran.out.startswith("would delete\n")
    assert callback_id in file.read_text()
    assert is_stored(callback_id)


def test_existing_file_is_not_overwritten(gateway: Served, tmp_path: Path) -> None:
    callback_id = applied(gateway)
    file = tmp_path / "ended.jsonl"
    file.write_text("precious")

    ran = ringback("purge", "--older-than", "1h", "--export", str(file))

    assert ran.code == 2
    assert file.read_text() == "precious"
    assert is_stored(callback_id)


@pytest.mark.usefixtures("gateway")
def test_folder_that_does_not_exist_is_reported(tmp_path: Path) -> None:
    ran = ringback("purge", "--export", str(tmp_path / "nowhere" / "ended.jsonl"))

    assert ran.code == 2
    assert "cannot be created" in ran.err


@pytest.mark.usefixtures("gateway")
def test_gateway_that_keeps_all_forever_needs_an_age() -> None:
    ran = ringback("purge")

    assert ran.code == 1
    assert "forever" in ran.err
