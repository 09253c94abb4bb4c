"""The printed export lines connect workers and commands to the gateway."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from ringback.cli.serving import COMMENT, export_lines
from ringback.settings import Settings

URL = "http://127.0.0.1:22000"


def lines_of(settings: Settings) -> list[str]:
    return export_lines(settings, url=URL, temporal="127.0.0.1:7233", namespace="billing")


def test_exports_name_url_key_files_and_temporal(tmp_path: Path) -> None:
    folder = tmp_path / "my data"

    assert lines_of(Settings(data=folder)) == [
        "# in another terminal, for a worker:",
        f"export RINGBACK_URL={URL}",
        "export TEMPORAL_ADDRESS=127.0.0.1:7233",
        "export TEMPORAL_NAMESPACE=billing",
        f"export RINGBACK_API_KEY_FILE='{folder / 'worker.key'}'",
        "# in another terminal, for the command line:",
        f"export RINGBACK_URL={URL}",
        f"export RINGBACK_API_KEY_FILE='{folder / 'operator.key'}'",
    ]


def test_key_files_of_a_relative_folder_are_found_from_any_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    exported = f"export RINGBACK_API_KEY_FILE={tmp_path / 'data' / 'worker.key'}"
    assert exported in lines_of(Settings(data=Path("data")))


@pytest.mark.parametrize("url", ["postgresql://ring:hush@db:5432/ring", "postgresql://db/ring"])
def test_exports_of_postgresql_say_how_to_make_keys_and_hold_no_secret(
    url: str, tmp_path: Path
) -> None:
    keys = SecretStr(f"k1:{'11' * 32}")
    lines = lines_of(Settings(data=tmp_path, store=SecretStr(url), keys=keys))

    hints = [line for line in lines if line.startswith(COMMENT)]
    assert ["--role worker" in hints[0], "--role operator" in hints[1]] == [True, True]
    assert all("ringback keys add" in hint for hint in hints)
    assert not any("RINGBACK_API_KEY_FILE" in line for line in lines)
    assert not any("hush" in line or "1111" in line or "db" in line for line in lines)
