"""Voters: three people vote on one question, and some of them change their minds."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from random import Random
from typing import Any, Final

import httpx2

from chaos.plan import Answer, Sending
from chaos.senders import Post, Reply, Sent

PEOPLE: Final = ("ada", "bob", "cy")
APPROVALS: Final = 2
"""How many of `PEOPLE` must approve or reject, without veto."""

_AGAIN_SECONDS: Final = (0.2, 1.0)


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that a voter does.

    Attributes:
        approved: The vote; `None` withdraws it.
        reply: The final reply.
    """

    approved: bool | None
    reply: Reply

    @property
    def is_counted(self) -> bool:
        """Whether it was acknowledged as stored."""
        return self.reply.is_kept


@dataclass
class Ballot:
    """The votes of one person on one question.

    Attributes:
        user: The person.
        plan: The votes in order; `None` withdraws the one before.
        steps: What was done, with the replies.
    """

    user: str
    plan: Sequence[bool | None]
    steps: list[Step] = field(default_factory=list)


def plan_ballots(random: Random) -> list[Ballot]:
    """Return what each person does about one question."""
    return [Ballot(user, _plan_votes(random)) for user in PEOPLE]


def _plan_votes(random: Random) -> Sequence[bool | None]:
    first = random.random() < 0.65
    return (first, None, not first) if random.random() < 0.25 else (first,)


@dataclass(frozen=True, slots=True)
class Voter:
    """One person, who retries each step until it has a final reply.

    Attributes:
        post: Sends the votes.
        ballot: What the person does.
        random: Decides by which gateway, and when to retry.
    """

    post: Post
    ballot: Ballot
    random: Random

    async def cast(self, sent: Sent, sending: Sending) -> None:
        """Do what is planned.

        The replies that say that the question is decided or over are added to `sent`.
        """
        sent.open += 1
        await asyncio.sleep(sending.after)
        path = f"/v1/callbacks/{sent.callback_id}/votes"
        number = 0
        for approved in self.ballot.plan:
            if approved is None:
                one = f"{path}/{self.ballot.user}?ballot={number}"
                reply = await self._until_final("DELETE", one)
                number += 1
            else:
                body = _to_vote(self.ballot.user, sent.answer, approved=approved, ballot=number)
                if sending.hangs_up:
                    await self._try("POST", path, body, hangs_up=True)
                reply = await self._until_final("POST", path, body)
            self.ballot.steps.append(Step(approved, reply))
            if approved is not None and _ends(reply):
                sent.replies.append(reply)
            if not reply.is_kept or reply.state == "accepted":
                break
        sent.open -= 1

    async def _until_final(self, method: str, path: str, body: object = None) -> Reply:
        while True:
            reply = await self._try(method, path, body)
            if reply is not None and reply.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
                return _to_reply(reply)
            await asyncio.sleep(self.random.uniform(*_AGAIN_SECONDS))

    async def _try(
        self, method: str, path: str, body: object, *, hangs_up: bool = False
    ) -> httpx2.Response | None:
        return await self.post.call(method, path, body=body, random=self.random, hangs_up=hangs_up)


def _to_vote(user: str, answer: Answer, *, approved: bool, ballot: int) -> dict[str, Any]:
    reason = f"{user} said so"
    vote = {"by": user, "approved": approved, "reason": reason, "ballot": ballot}
    return {**vote, "form": answer.body}


def _ends(reply: Reply) -> bool:
    """Return whether a reply says that the question is decided by this vote, or over."""
    is_decided = reply.is_kept and reply.state != "open"
    return is_decided or reply.status == HTTPStatus.GONE


def _to_reply(reply: httpx2.Response) -> Reply:
    told = reply.json()
    callback_id = told.get("callback", told.get("id"))
    return Reply(reply.status_code, callback_id, told.get("state"), bool(told.get("duplicate")))


def sendings_for(answer: Answer, ballots: Sequence[Ballot]) -> Iterator[tuple[Ballot, Sending]]:
    """Yield each ballot with the sending that says when and how it is sent."""
    for number, ballot in enumerate(ballots):
        yield ballot, answer.sendings[number % len(answer.sendings)]
