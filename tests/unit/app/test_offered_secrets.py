"""Secrets that providers offer are kept for the operator, and for nobody else."""

from datetime import timedelta
from pathlib import Path

import pytest

from ringback.app.credentials import MOST_OFFERS, OfferedSecrets
from ringback.domain.durations import format_instant
from ringback.testing import ManualClock
from tests.factories import NOW


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data" / "offered-secrets"


@pytest.fixture
def offers(folder: Path, clock: ManualClock) -> OfferedSecrets:
    return OfferedSecrets(folder, clock)


def test_only_the_owner_can_read_an_offer(offers: OfferedSecrets, folder: Path) -> None:
    path = offers.keep("notion", "secret_1")

    assert path.read_text() == f"{format_instant(NOW)} secret_1\n"
    assert (path.stat().st_mode & 0o777, folder.stat().st_mode & 0o777) == (0o600, 0o700)
    assert [one.name for one in folder.iterdir()] == ["notion.txt"]


def test_latest_offers_are_kept_newest_first(offers: OfferedSecrets, clock: ManualClock) -> None:
    for number in range(MOST_OFFERS + 5):
        path = offers.keep("notion", f"secret_{number}")
        clock.advance(timedelta(seconds=1))
    offers.keep("asana", "other")

    kept = [line.partition(" ")[2] for line in path.read_text().splitlines()]
    assert kept == [f"secret_{number}" for number in range(MOST_OFFERS + 4, 4, -1)]


def test_offer_that_is_repeated_is_kept_once(offers: OfferedSecrets) -> None:
    first = offers.keep("notion", "secret_1").read_text()

    assert offers.keep("notion", "secret_1").read_text() == first


def test_file_that_holds_something_else_is_no_obstacle(
    offers: OfferedSecrets, folder: Path
) -> None:
    folder.mkdir(parents=True)
    (folder / "notion.txt").write_bytes(b"\xff\n")

    assert offers.keep("notion", "secret_1").read_text().startswith(format_instant(NOW))


def test_folder_that_cannot_be_made_is_an_error(folder: Path, clock: ManualClock) -> None:
    folder.parent.write_text("a file")

    with pytest.raises(NotADirectoryError):
        OfferedSecrets(folder, clock).keep("notion", "secret_1")
