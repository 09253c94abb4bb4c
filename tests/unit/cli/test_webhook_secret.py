"""`ringback webhook-secret` prints the secret for the receivers of webhooks."""

import json
from pathlib import Path

import pytest

from ringback.cli.notify import webhook_secret
from ringback.domain.errors import ConfigurationError
from ringback.notify.webhook import to_secret


def test_secret_of_a_sqlite_store_is_the_signing_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RINGBACK_DATA", str(tmp_path))

    webhook_secret()
    webhook_secret(as_json=True)

    text, said = capsys.readouterr().out.splitlines()
    assert len(to_secret(text)) == 32
    assert json.loads(said) == {"secrets": [text]}
    assert (tmp_path / "ringback.webhooks").read_text() == f"{text}\n"


def test_missing_secret_says_what_to_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RINGBACK_DATA", str(tmp_path))
    monkeypatch.setenv("RINGBACK_STORE", "postgresql://user@db.example/ringback")

    with pytest.raises(ConfigurationError, match="set RINGBACK_WEBHOOK_SECRETS"):
        webhook_secret()
