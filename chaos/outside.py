"""The sender: it receives links, and answers as planned."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from chaos.ballots import Ballot, Voter, plan_ballots, sendings_for
from chaos.options import Options
from chaos.plan import Answer, End, Round, round_of
from chaos.queue import Publisher
from chaos.script import Script
from chaos.senders import Post, Sent
from chaos.values import chance
from chaos.webhooks import Provider

_EARLY_SECONDS: Final = 3
"""How long an early answer may delay the reply to the worker."""

Ending = Callable[[Script, End], Awaitable[None]]
"""Ends a workflow, or its activity, without Ringback."""


@dataclass
class ReceivedLink:
    """A link that the sender received.

    Attributes:
        key: The question.
        number: Its generation, by the number of links for the question.
        times: How often it was received.
        sent: The answers sent to it.
        ballots: The votes on it, if people decide.
    """

    key: str
    number: int
    times: int = 0
    sent: list[Sent] = field(default_factory=list)
    ballots: list[Ballot] = field(default_factory=list)


class Outside:
    """Receives links and answers them."""

    def __init__(
        self,
        options: Options,
        scripts: Mapping[str, Script],
        post: Post,
        *,
        publisher: Publisher,
        group: asyncio.TaskGroup,
        end: Ending,
    ) -> None:
        """Answer with `post` and `publisher`, in tasks of `group`; `scripts` are by question."""
        self._options = options
        self._scripts = scripts
        self._post = post
        self._publisher = publisher
        self._group = group
        self._end = end
        self._rounds: dict[str, int] = {}
        self._busy: set[asyncio.Task[None]] = set()
        self.asked: dict[str, ReceivedLink] = {}

    @property
    def app(self) -> Starlette:
        """The ASGI app that receives links."""
        return Starlette(routes=[Route("/ask", self._take, methods=["POST"])])

    @property
    def busy(self) -> int:
        """The number of unfinished tasks."""
        return len(self._busy)

    def give_up(self) -> None:
        """Cancel unfinished tasks."""
        for task in self._busy:
            task.cancel()

    async def _take(self, request: Request) -> Response:
        told = await request.json()
        callback_id, key = told["callback"], told["key"]
        asked = self.asked.get(callback_id)
        if asked is None:
            self._rounds[key] = self._rounds.get(key, 0) + 1
            asked = self.asked[callback_id] = ReceivedLink(key, self._rounds[key])
        asked.times += 1
        round_ = round_of(self._options, self._scripts[key], key, number=asked.number)
        if round_.is_flaky and asked.times == 1:
            return JSONResponse({"status": "not now"}, 503)
        if not asked.sent:
            tasks = self._answer(asked, round_, callback_id, url=told["url"])
            if round_.is_early:
                await asyncio.wait(tasks, timeout=_EARLY_SECONDS)
        return JSONResponse({"status": "accepted"})

    def _answer(
        self, asked: ReceivedLink, round_: Round, callback_id: str, *, url: str
    ) -> list[asyncio.Task[None]]:
        asked.sent = [Sent(answer, callback_id) for answer in round_.answers]
        if self._scripts[asked.key].is_voted:
            return self._vote(asked)
        if self._scripts[asked.key].way == "event":
            return self._send_events(asked)
        if self._scripts[asked.key].way == "queue":
            return self._publish(asked, link=url)
        path = urlsplit(url).path
        tasks = [task for sent in asked.sent for task in self._send(sent, sent.answer, path)]
        random = chance(self._options.seed, "beats", callback_id)
        if round_.beats:
            self._start(self._post.beat(path, round_.beats, random))
        if round_.ends is not None:
            self._start(self._end_after(round_.ends, round_.ends_after, self._scripts[asked.key]))
        return tasks

    def _vote(self, asked: ReceivedLink) -> list[asyncio.Task[None]]:
        (sent,) = asked.sent
        value = sent.answer.value
        asked.ballots = plan_ballots(chance(self._options.seed, "ballots", value))
        return [
            self._start(
                Voter(
                    self._post, ballot, chance(self._options.seed, "voter", value, ballot.user)
                ).cast(sent, sending)
            )
            for ballot, sending in sendings_for(sent.answer, asked.ballots)
        ]

    def _send_events(self, asked: ReceivedLink) -> list[asyncio.Task[None]]:
        return [
            self._start(
                Provider(
                    self._post, chance(self._options.seed, "provider", sent.answer.value, number)
                ).send(sent, sending)
            )
            for sent in asked.sent
            for number, sending in enumerate(sent.answer.sendings)
        ]

    def _publish(self, asked: ReceivedLink, *, link: str) -> list[asyncio.Task[None]]:
        return [
            self._start(
                self._publisher.send(
                    sent,
                    sending,
                    link=link,
                    random=chance(self._options.seed, "publisher", sent.answer.value, number),
                )
            )
            for sent in asked.sent
            for number, sending in enumerate(sent.answer.sendings)
        ]

    def _send(self, sent: Sent, answer: Answer, path: str) -> list[asyncio.Task[None]]:
        return [
            self._start(
                self._post.send(
                    path,
                    sent,
                    sending,
                    random=chance(self._options.seed, "sender", answer.value, number),
                )
            )
            for number, sending in enumerate(answer.sendings)
        ]

    async def _end_after(self, end: End, seconds: float, script: Script) -> None:
        await asyncio.sleep(seconds)
        await self._end(script, end)

    def _start(self, work: Awaitable[None]) -> asyncio.Task[None]:
        async def done() -> None:
            await work

        task = self._group.create_task(done())
        self._busy.add(task)
        task.add_done_callback(self._busy.discard)
        return task
