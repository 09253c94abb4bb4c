"""What others wrote is shown as they wrote it, and steers nothing."""

import asyncio
from pathlib import Path

import pytest

from ringback.app.stores import opened_store
from ringback.app.system import SystemClock
from ringback.cli.look import list_callbacks, show
from ringback.domain.ids import CallbackId
from ringback.domain.outcome import Failed
from ringback.settings import Settings
from tests import factories

HOSTILE = "[/b][link=http://x]see\x1b[31m"


@pytest.fixture
def callback_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CallbackId:
    """A callback whose workflow's id, and whose answer, are hostile."""
    monkeypatch.setenv("RINGBACK_DATA", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    wish = factories.wish(ref=factories.activity_ref(workflow_id=HOSTILE))

    async def fill() -> None:
        async with opened_store(Settings(data=tmp_path), SystemClock()) as store:
            await store.open([wish])
            await store.accept([factories.answer(wish.id, Failed(HOSTILE))])

    asyncio.run(fill())
    return wish.id


def test_a_list_shows_hostile_text_as_text(
    callback_id: CallbackId, capsys: pytest.CaptureFixture[str]
) -> None:
    list_callbacks()

    shown = capsys.readouterr().out
    assert callback_id in shown
    assert "[/b][link=http://x]see" in shown
    assert "\x1b" not in shown


def test_one_callback_is_shown_with_hostile_text_as_text(
    callback_id: CallbackId, capsys: pytest.CaptureFixture[str]
) -> None:
    show(callback_id)

    shown = capsys.readouterr().out
    assert shown.count("[/b][link=http://x]see") >= 2
    assert "\x1b" not in shown
