"""What a gateway prints for a worker in another terminal leads to the same store."""

from pathlib import Path

import pytest
from pydantic import HttpUrl, SecretStr

from ringback.app.exports import environment_for_others, export_lines
from ringback.settings import Settings

TEMPORAL = {"temporal": "127.0.0.1:7233", "namespace": "billing"}


def lines_of(settings: Settings) -> list[str]:
    return export_lines(settings, environment_for_others(settings, **TEMPORAL))


def test_exports_name_folder_url_and_temporal(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "my data", public_url=HttpUrl("http://127.0.0.1:22000"))

    assert lines_of(settings) == [
        "# for a worker or a command in another terminal:",
        f"export RINGBACK_DATA='{tmp_path / 'my data'}'",
        "export RINGBACK_PUBLIC_URL=http://127.0.0.1:22000",
        "export TEMPORAL_ADDRESS=127.0.0.1:7233",
        "export TEMPORAL_NAMESPACE=billing",
    ]


def test_exports_name_the_file_of_a_local_store(tmp_path: Path) -> None:
    settings = Settings(store=SecretStr(f"sqlite:///{tmp_path}/a.db"))

    assert f"export RINGBACK_STORE=sqlite:///{tmp_path}/a.db" in lines_of(settings)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://ring:hush@db:5432/ring", "postgresql://ring@db:5432/ring"),
        ("postgresql://ring@db/ring?password=hush", "postgresql://ring@db/ring"),
        ("postgresql://db/ring", "postgresql://db/ring"),
    ],
)
def test_exports_hold_no_secret(url: str, shown: str, tmp_path: Path) -> None:
    keys = SecretStr(f"k1:{'11' * 32}")
    comment, *lines = lines_of(Settings(data=tmp_path, store=SecretStr(url), keys=keys))

    assert lines[0] == f"export RINGBACK_STORE={shown}"
    assert "add the password of RINGBACK_STORE and RINGBACK_KEYS" in comment
    assert not any("hush" in line or "1111" in line for line in lines)
