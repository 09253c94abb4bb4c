"""A provider that knows no link: it sends signed events, and sends each again until it gets 2xx."""

import asyncio
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

import httpx2

from chaos.plan import Answer, Sending
from chaos.senders import Post, Reply, Sent

SECRET: Final = "chaos"  # noqa: S105 - of a run
_AGAIN_SECONDS: Final = (0.2, 1.0)

_SOURCE: Final = """
[sources.chaos]
scheme = "hmac"
header = "x-signature"
delivery = ["header:x-delivery"]
secrets = ["env:CHAOS_SECRET"]

[[sources.chaos.rules]]
when = "action == 'complete'"
key = "alias"
action = "complete"
result = "answer"

[[sources.chaos.rules]]
key = "alias"
action = "fail"
message = "answer.message"
type = "answer.type"
non_retryable = "answer.non_retryable"
details = "answer.details"
"""


def write_sources(folder: Path, queue: str) -> Mapping[str, str]:
    """Write the configuration of the source and the queue; return the settings of a gateway."""
    path = folder / "sources.toml"
    path.write_text(_SOURCE + queue, "utf-8")
    return {"RINGBACK_SOURCES_FILE": str(path), "CHAOS_SECRET": SECRET}


def alias_of(callback_id: str) -> str:
    """Return the alias under which the provider knows a callback."""
    return f"chaos:{callback_id}"


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event in the ledger.

    Attributes:
        state: What became of it.
        callback_id: The callback that it led to, if any.
        has_alias: Whether a callback has or had its alias.
        reason: Why it is in its state.
    """

    state: str
    callback_id: str | None
    has_alias: bool
    reason: str | None


class Provider:
    """Sends one event until it is acknowledged."""

    def __init__(self, post: Post, random: Random) -> None:
        """Send with `post`."""
        self._post = post
        self._random = random

    async def send(self, sent: Sent, sending: Sending) -> None:
        """Send the event until there is a final reply, and add it to `sent`."""
        sent.open += 1
        await asyncio.sleep(sending.after)
        if sending.hangs_up:
            await self._try(sent, hangs_up=True)
        while True:
            reply = await self._try(sent)
            if reply is not None and reply.status_code < httpx2.codes.INTERNAL_SERVER_ERROR:
                break
            await asyncio.sleep(self._random.uniform(*_AGAIN_SECONDS))
        is_duplicate = bool(reply.json().get("duplicate"))
        sent.replies.append(Reply(reply.status_code, None, None, is_duplicate))
        sent.open -= 1

    async def _try(self, sent: Sent, *, hangs_up: bool = False) -> httpx2.Response | None:
        content = _content(sent.answer, sent.callback_id)
        digest = hmac.new(SECRET.encode(), content, "sha256").hexdigest()
        headers = {"x-signature": digest, "x-delivery": sent.answer.value}
        return await self._post.deliver(
            "/in/chaos", content, headers, random=self._random, hangs_up=hangs_up
        )


def _content(answer: Answer, callback_id: str) -> bytes:
    event = {"alias": alias_of(callback_id), "action": answer.verb, "answer": answer.body}
    return json.dumps(event).encode()
