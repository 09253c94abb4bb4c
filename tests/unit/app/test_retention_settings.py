"""The settings of retention."""

from datetime import timedelta

import pytest

from ringback.domain.errors import ConfigurationError
from ringback.settings import load_settings

DAY = timedelta(days=1)


def test_what_has_ended_is_kept_for_90_days_with_its_bodies() -> None:
    settings = load_settings()

    assert settings.keep_ended_for == 90 * DAY
    assert settings.drop_bodies_after is None


@pytest.mark.parametrize(
    ("text", "kept"), [("30d", 30 * DAY), ("PT12H", DAY / 2), ("forever", None), ("Forever ", None)]
)
def test_time_is_a_duration_or_forever(
    monkeypatch: pytest.MonkeyPatch, text: str, kept: timedelta | None
) -> None:
    monkeypatch.setenv("RINGBACK_KEEP_ENDED_FOR", text)
    monkeypatch.setenv("RINGBACK_DROP_BODIES_AFTER", "1h")

    settings = load_settings()

    assert settings.keep_ended_for == kept
    assert settings.drop_bodies_after == timedelta(hours=1)


@pytest.mark.parametrize("text", ["0d", "-1d", "never", "", "20000d"])
def test_unusable_time_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("RINGBACK_KEEP_ENDED_FOR", text)

    with pytest.raises(ConfigurationError, match="RINGBACK_KEEP_ENDED_FOR"):
        load_settings()
