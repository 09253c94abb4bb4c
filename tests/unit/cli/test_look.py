"""What others wrote is shown as they wrote it, and steers nothing."""

import asyncio
import json
from pathlib import Path

import pytest

from ringback.app.stores import opened_store
from ringback.app.system import SystemClock
from ringback.cli.look import events, list_callbacks, show
from ringback.domain.about import About
from ringback.domain.ids import CallbackId
from ringback.domain.outcome import Failed
from ringback.settings import Settings
from tests import factories

HOSTILE = "[/b][link=http://x]see\x1b[31m"
SHOWN = "[/b][link=http://x]see"
CARD = '"4111 1111"'


@pytest.fixture
def callback_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CallbackId:
    """A callback whose workflow's id, title and tag, and whose answer, are hostile."""
    monkeypatch.setenv("RINGBACK_DATA", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "300")
    about = About(title=HOSTILE, tags=(HOSTILE,), metadata={HOSTILE: [HOSTILE]})
    wish = factories.wish(ref=factories.activity_ref(workflow_id=HOSTILE), about=about)

    async def fill() -> None:
        async with opened_store(Settings(data=tmp_path), SystemClock()) as store:
            await store.open([wish])
            failed = Failed(HOSTILE, details=f"[{CARD}]".encode())
            await store.accept([factories.answer(wish.id, failed)])
            await store.keep_evidence([factories.answer(wish.id, Failed(HOSTILE))])

    asyncio.run(fill())
    return wish.id


def test_a_list_shows_hostile_text_as_text(
    callback_id: CallbackId, capsys: pytest.CaptureFixture[str]
) -> None:
    list_callbacks()

    shown = capsys.readouterr().out
    assert callback_id in shown
    assert shown.count(SHOWN) == 2
    assert "\x1b" not in shown


def test_one_callback_is_shown_with_hostile_text_as_text(
    callback_id: CallbackId, capsys: pytest.CaptureFixture[str]
) -> None:
    show(callback_id)

    shown = capsys.readouterr().out
    assert shown.count(SHOWN) >= 6
    assert "\x1b" not in shown


def test_what_happened_is_told_in_lines_that_steer_nothing(
    callback_id: CallbackId, capsys: pytest.CaptureFixture[str]
) -> None:
    events(callback_id)

    opened, accepted, refused = capsys.readouterr().out.splitlines()
    assert ("opened" in opened, "accepted" in accepted) == (True, True)
    assert SHOWN in refused
    assert "\x1b" not in refused


def test_a_program_reads_what_the_author_said_of_it_exactly(
    callback_id: CallbackId, capsys: pytest.CaptureFixture[str]
) -> None:
    show(callback_id, as_json=True)

    found = json.loads(capsys.readouterr().out)
    assert (found["title"], found["tags"]) == (HOSTILE, [HOSTILE])
    assert found["metadata"] == {HOSTILE: [HOSTILE]}


@pytest.mark.parametrize("as_json", [False, True])
def test_neither_the_answer_nor_the_token_is_shown(
    callback_id: CallbackId, capsys: pytest.CaptureFixture[str], *, as_json: bool
) -> None:
    list_callbacks(as_json=as_json)
    show(callback_id, as_json=as_json)
    events(callback_id, as_json=as_json)

    shown = capsys.readouterr().out
    assert "4111" not in shown
    assert "a task token" not in shown


def test_a_full_page_says_where_the_next_one_begins(
    callback_id: CallbackId, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    list_callbacks(limit=1)
    first = capsys.readouterr().out
    list_callbacks(after=callback_id)
    rest = capsys.readouterr().out

    assert f"for more: --after {callback_id}" in first
    assert rest == f"no callbacks in {tmp_path / 'ringback.db'}\n"
