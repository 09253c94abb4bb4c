"""The configuration of the connection to Temporal is checked as a program starts."""

from pathlib import Path

import pytest

from ringback.domain.errors import ConfigurationError
from ringback.temporal.connect import connect_lazily


@pytest.mark.parametrize("name", ["missing.pem", "."], ids=["missing", "folder"])
async def test_unreadable_client_certificate_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    path = str(tmp_path / name)
    monkeypatch.setenv("TEMPORAL_TLS_CLIENT_CERT_PATH", path)

    with pytest.raises(ConfigurationError, match=path):
        await connect_lazily()
