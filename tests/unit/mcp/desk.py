"""An assistant's client, and the tools at a gateway on fakes; all in one process."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2
from mcp import Client
from mcp.client.session import ClientRequestContext
from mcp_types import ElicitRequestFormParams, ElicitRequestParams, ElicitResult

from ringback.client.gateway_client import GatewayClient
from ringback.client.target import Target
from ringback.domain.api_key import Role
from ringback.mcp.server import create_server
from ringback.mcp.tools import Tools, Voter
from tests.fake_edges import BASE
from tests.unit.gateway.house import House, key_of

NEW, OLD = "2026-07-28", "legacy"


@dataclass
class Person:
    """Replies to confirmations, and keeps what was shown."""

    reply: ElicitResult | Callable[[], Any] = field(
        default_factory=lambda: ElicitResult(action="accept", content={})
    )
    seen: list[ElicitRequestFormParams] = field(default_factory=list)

    async def __call__(
        self,
        context: ClientRequestContext,  # noqa: ARG002 - the client names it
        params: ElicitRequestParams,
    ) -> ElicitResult:
        assert isinstance(params, ElicitRequestFormParams)
        self.seen.append(params)
        if isinstance(self.reply, ElicitResult):
            return self.reply
        replied: ElicitResult = await self.reply()
        return replied


@dataclass(frozen=True)
class Desk:
    """The client of an assistant."""

    client: Client

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Return the structured result of a call that succeeds."""
        result = await self.client.call_tool(tool, arguments)
        assert not result.is_error, result.content
        content: dict[str, Any] | None = result.structured_content
        assert content is not None
        return content

    async def error(self, tool: str, **arguments: Any) -> str:
        """Return the message of a call that fails."""
        result = await self.client.call_tool(tool, arguments)
        assert result.is_error, result.structured_content
        return json.dumps([one.model_dump() for one in result.content], ensure_ascii=False)


@asynccontextmanager
async def seated(
    house: House,
    person: Person | None = None,
    *,
    mode: str = NEW,
    role: Role = Role.OPERATOR,
    voter: Voter = Voter("ada", is_named=True),  # noqa: B008 - it is immutable
    may_skip_confirmation: bool = False,
) -> AsyncIterator[Desk]:
    """Connect a client; without a person it shows no forms."""
    target = Target(BASE, key_of(role), "the test")
    transport = httpx2.ASGITransport(app=house.app, raise_app_exceptions=False)
    gateway = GatewayClient(target, transport=transport)
    tools = Tools(gateway, target, voter, may_skip_confirmation=may_skip_confirmation)
    server = create_server(tools, version="1")
    async with Client(server, mode=mode, elicitation_callback=person) as client:
        yield Desk(client)
