"""Presses of buttons are bounded: nobody waits, and nobody is left without an answer."""

import asyncio

from ringback.core.chat_votes import SLOTS, ChatVoteService
from ringback.core.services import run_services
from ringback.domain.ids import CallbackId
from ringback.domain.policy import Voter
from ringback.ports.chat import ChatChoice, Stranger
from ringback.store.sql_store import SqlStore
from ringback.testing import FakeActivities
from tests import factories
from tests.loops import idle

CHOICE = ChatChoice(CallbackId("cb_1"), "d", approved=True)
ADA = {"account": "U1", "team": "T1"}


class SilentChat:
    """A platform that identifies nobody until it is allowed to."""

    def __init__(self) -> None:
        self.is_up = asyncio.Event()
        self.private: list[str] = []

    async def identify(self, account: str, team: str) -> Voter | Stranger:
        await self.is_up.wait()
        return Stranger(f"{account} of {team} is unknown")

    async def ask_reason(self, *_: object, **__: object) -> str | None:
        return None

    async def reply_privately(self, reply_to: str, text: str) -> None:
        assert reply_to == "there"
        self.private.append(text)


def make_service(store: SqlStore, activities: FakeActivities, chat: SilentChat) -> ChatVoteService:
    answers = factories.answer_service(store, activities)
    return ChatVoteService(answers._votes, store, chat)  # noqa: SLF001 - it has the votes


async def test_press_before_the_start_is_answered_in_private(
    store: SqlStore, activities: FakeActivities
) -> None:
    chat = SilentChat()
    service = make_service(store, activities, chat)

    await service.press(CHOICE, **ADA, trigger="t", reply_to="there")
    why = await service.submit(CHOICE, None, **ADA, reply_to="there")

    assert chat.private == ["Too many people vote now. Press the button again."]
    assert why == "Too many people vote now. Press the button again."


async def test_press_beyond_the_slots_is_answered_in_private(
    store: SqlStore, activities: FakeActivities
) -> None:
    chat = SilentChat()
    service = make_service(store, activities, chat)

    async with run_services(service):
        await idle()
        async with asyncio.TaskGroup() as group:
            for _ in range(SLOTS):
                group.create_task(service.press(CHOICE, **ADA, trigger="t", reply_to="there"))
            await idle()
            await service.press(CHOICE, **ADA, trigger="t", reply_to="there")
            busy = list(chat.private)
            chat.is_up.set()

    assert busy == ["Too many people vote now. Press the button again."]
    assert chat.private.count("U1 of T1 is unknown") == SLOTS
