"""Namespaces by their ids: whether this server and this namespace issued a task token."""

import asyncio
import math
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from temporalio.client import Client
from temporalio.service import RPCError, WorkflowService

from ringback.domain.callback import Callback
from ringback.domain.completion_errors import UnusableTokenError
from ringback.domain.errors import TemporalMisconfiguredError
from ringback.temporal.requests import describe_namespace
from ringback.temporal.rpc import in_time, translated
from ringback.temporal.token import TaskToken, read_token

_FRESH_FOR: Final = timedelta(seconds=1)
_ASK_FOR: Final = timedelta(seconds=1)
_ASK_AGAIN_AFTER: Final = timedelta(seconds=5)


class Namespaces:
    """Compares the namespaces of a server with those that task tokens name.

    A server whose data was deleted, or another server with a namespace of the same name, knows none
    of the activities. Only the namespace's id distinguishes it from a server where they ended.
    """

    def __init__(
        self, service: WorkflowService, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """Ask `service`; an id is reused for one second."""
        self._service = service
        self._monotonic = monotonic
        self._known: dict[str, tuple[str, float]] = {}

    async def check(self, callback: Callback) -> None:
        """Check that the server has the namespace in which the callback's token was issued.

        Raises:
            TemporalMisconfiguredError: It has another namespace of the same name, or none.
            TemporalUnreachableError: No reply.
        """
        if callback.task_token is None:
            return
        try:
            expected = read_token(callback.task_token).namespace_id
        except UnusableTokenError:
            # A server may issue other kinds of tokens: then there is nothing to compare.
            return
        actual = await self._id_of(callback.ref.namespace)
        if actual != expected:
            msg = (
                f"the namespace {callback.ref.namespace!r} of this server has the id {actual}, but "
                f"the activity runs in the namespace with the id {expected}"
            )
            raise TemporalMisconfiguredError(msg)

    async def _id_of(self, namespace: str) -> str:
        found, until = self._known.get(namespace, ("", 0.0))
        if self._monotonic() < until:
            return found
        with translated():
            described = await in_time(describe_namespace(self._service, namespace))
        now = self._monotonic()
        self._known[namespace] = described.namespace_info.id, now + _FRESH_FOR.total_seconds()
        return described.namespace_info.id


class OwnNamespace:
    """The namespace of one client, which rejects the task tokens of others.

    Attributes:
        name: Its name.
    """

    def __init__(self, client: Client, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Read the namespace's id through `client`, and cache it."""
        self.name = client.namespace
        self._service = client.workflow_service
        self._monotonic = monotonic
        self._id = ""
        self._ask_again_at = -math.inf
        self._asking = asyncio.Lock()

    async def check(self, token: TaskToken) -> None:
        """Check that `token` belongs to this namespace; without a reply, the server decides.

        Raises:
            UnusableTokenError: It belongs to another namespace.
        """
        async with self._asking:
            known = await self._find_id(token.namespace_id)
        if known and token.namespace_id != known:
            msg = (
                "this is not a task token, or not one of the client's namespace, "
                f"{self.name!r}; connect a client to the activity's namespace"
            )
            raise UnusableTokenError(msg)

    async def _find_id(self, expected: str) -> str:
        # Read again before a token is rejected: a namespace may have been replaced by another of
        # the same name.
        if expected != self._id and self._monotonic() >= self._ask_again_at:
            self._id = await self._ask()
            self._ask_again_at = self._monotonic() + _ASK_AGAIN_AFTER.total_seconds()
        return self._id

    async def _ask(self) -> str:
        """Return the namespace's id, or the cached one if there is no reply."""
        request = describe_namespace(self._service, self.name)
        try:
            answer = await in_time(request, within=_ASK_FOR)
        except (RPCError, RuntimeError):
            # The server checks the token with the request itself, too.
            return self._id
        return answer.namespace_info.id
