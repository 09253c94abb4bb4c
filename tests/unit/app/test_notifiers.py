"""Channels are opened as configured; half a configuration is an error at the start."""

from pathlib import Path
from typing import Any

import pytest

from ringback.app.notifiers import opened_notifiers
from ringback.domain.errors import ConfigurationError
from ringback.settings import Settings
from ringback.testing import ManualClock

MAIL = {"mail_url": "smtp://mail.example", "mail_from": "ringback@example.org"}
SLACK = {"slack_token": "xoxb-hush", "slack_signing_secrets": "one, two"}


def settings(tmp_path: Path, **given: Any) -> Settings:
    return Settings(data=tmp_path, **given)


async def test_nothing_is_configured_by_default(tmp_path: Path) -> None:
    async with opened_notifiers(settings(tmp_path), ManualClock()) as notifiers:
        assert notifiers.channels == {}
        assert notifiers.slack is None


async def test_all_channels_are_opened(tmp_path: Path) -> None:
    people = tmp_path / "people.toml"
    people.write_text('[channels]\nops = "json://127.0.0.1/hush"\n')
    given = settings(tmp_path, **MAIL, **SLACK, people_file=people)

    async with opened_notifiers(given, ManualClock()) as notifiers:
        assert set(notifiers.channels) == {"mail", "slack", "ops"}
        assert notifiers.slack is notifiers.channels["slack"]
        assert notifiers.slack_secrets == (b"one", b"two")
        assert "hush" not in repr(notifiers) + repr(given)


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({"mail_url": "smtp://mail.example"}, "RINGBACK_MAIL_FROM"),
        ({"mail_from": "ringback@example.org"}, "RINGBACK_MAIL_URL"),
        ({"slack_token": "xoxb-hush"}, "RINGBACK_SLACK_SIGNING_SECRETS"),
        ({"slack_token": "xoxb-hush", "slack_signing_secrets": " , "}, "SIGNING_SECRETS"),
        ({"slack_signing_secrets": "hush"}, "RINGBACK_SLACK_TOKEN"),
    ],
)
async def test_half_a_channel_is_a_configuration_error(
    tmp_path: Path, given: dict[str, str], missing: str
) -> None:
    with pytest.raises(ConfigurationError, match=missing) as caught:
        async with opened_notifiers(settings(tmp_path, **given), ManualClock()):
            pass

    assert "hush" not in str(caught.value)
