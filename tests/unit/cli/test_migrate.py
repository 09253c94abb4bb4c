"""`ringback migrate` upgrades the schema and prints the old and new version."""

import json
from pathlib import Path

import pytest

from ringback.cli.maintenance import migrate


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RINGBACK_DATA", str(tmp_path))


def test_empty_store_gets_the_schema_once(capsys: pytest.CaptureFixture[str]) -> None:
    migrate()
    migrate()

    assert capsys.readouterr().out.splitlines() == [
        "the store was empty; the schema is now 0001",
        "the schema is already 0001",
    ]


def test_json_has_both_versions(capsys: pytest.CaptureFixture[str]) -> None:
    migrate(as_json=True)

    assert json.loads(capsys.readouterr().out) == {"before": None, "after": "0001"}
