"""Answer many: each as if it came alone, in few commits."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ringback.core.accept import Accepting, Receipt
from ringback.core.service import task_group
from ringback.domain.errors import RingbackError
from ringback.domain.ids import CallbackId
from ringback.domain.outcome import Outcome

MOST_AT_ONCE: Final = 64
"""So many answers are under way at a time: some of them ask Temporal first."""


@dataclass(frozen=True, slots=True)
class Given:
    """One of many answers.

    Attributes:
        callback_id: The callback.
        outcome: The answer.
    """

    callback_id: CallbackId
    outcome: Outcome


async def answer_many(
    accepting: Accepting, answers: Sequence[Given]
) -> Sequence[Receipt | RingbackError]:
    """Give all `answers`; return for each, in their order, its receipt or why it has none.

    They are independent: one that is refused takes no other with it, and of two to the same
    callback either may be first. What is under way together is committed together.

    Raises:
        Exception: A mistake of the program's; some of the answers may have been accepted.
    """
    free = asyncio.Semaphore(MOST_AT_ONCE)
    async with task_group() as group:
        tasks = [
            group.create_task(_give(accepting, one, free), name="one of many answers")
            for one in answers
        ]
    return [task.result() for task in tasks]


async def _give(
    accepting: Accepting, one: Given, free: asyncio.Semaphore
) -> Receipt | RingbackError:
    try:
        async with free:
            return await accepting.accept(one.callback_id, one.outcome)
    except RingbackError as exc:
        return exc
