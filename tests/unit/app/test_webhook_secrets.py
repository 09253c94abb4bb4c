"""Webhook secrets come from the settings or are created once; without any, webhooks are off."""

import logging
import stat
from pathlib import Path

import pytest
from pydantic import SecretStr

from ringback.app.credentials import load_webhook_secrets, opened_sender
from ringback.domain.errors import ConfigurationError
from ringback.notify.signature import from_secret
from ringback.notify.webhook import Unsigned, Webhooks
from ringback.settings import Settings
from ringback.testing import ManualClock

ONE, OTHER = from_secret(bytes(32)), from_secret(bytes(range(32)))
POSTGRESQL = SecretStr("postgresql://user@db.example/ringback")


def test_without_a_secret_one_is_created_next_to_the_store(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path)

    first, again = load_webhook_secrets(settings), load_webhook_secrets(settings)

    path = tmp_path / "ringback.webhooks"
    assert first == again
    assert [len(secret) for secret in first] == [32]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_all_secrets_sign_in_their_order(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, webhook_secrets=SecretStr(f"{OTHER}, {ONE}"))

    assert load_webhook_secrets(settings) == [bytes(range(32)), bytes(32)]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("given", ["", " , ", "whsec_hush", f"{ONE},hush"])
def test_invalid_secrets_are_refused_without_being_shown(tmp_path: Path, given: str) -> None:
    settings = Settings(data=tmp_path, webhook_secrets=SecretStr(given))

    with pytest.raises(ConfigurationError, match="RINGBACK_WEBHOOK_SECRETS: ") as caught:
        load_webhook_secrets(settings)

    assert "hush" not in str(caught.value)


async def test_postgresql_has_no_secret_by_default(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = Settings(data=tmp_path, store=POSTGRESQL)

    with caplog.at_level(logging.WARNING):
        async with opened_sender(settings, ManualClock()) as sender:
            assert isinstance(sender, Unsigned)

    assert "no webhook secret is set" in caplog.text


async def test_postgresql_uses_the_secrets_of_the_settings(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, store=POSTGRESQL, webhook_secrets=SecretStr(ONE))

    async with opened_sender(settings, ManualClock()) as sender:
        assert isinstance(sender, Webhooks)


def test_settings_do_not_show_secrets(tmp_path: Path) -> None:
    assert ONE not in repr(Settings(data=tmp_path, webhook_secrets=SecretStr(ONE)))
