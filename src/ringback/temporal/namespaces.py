"""Namespaces by their ids: whether a task token is from this server, and from this namespace."""

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

    A server whose data was emptied, or another server with a namespace of the same name, knows
    none of the activities. Only the namespace's id tells it from a server that deleted them.
    """

    def __init__(
        self, service: WorkflowService, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """Ask `service`; an id is reused for one second."""
        self._service = service
        self._monotonic = monotonic
        self._known: dict[str, tuple[str, float]] = {}

    async def check(self, callback: Callback) -> None:
        """Check that the server has the namespace that the callback's token was issued in.

        Raises:
            TemporalMisconfiguredError: It has another one of the same name, or none.
            TemporalUnreachableError: No answer.
        """
        if callback.task_token is None:
            return
        try:
            expected = read_token(callback.task_token).namespace_id
        except UnusableTokenError:
            # A server may issue tokens of another kind: then nothing can be compared.
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
    """The namespace of one client, which refuses the task tokens of others.

    Attributes:
        name: Its name.
    """

    def __init__(self, client: Client, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Ask through `client` what its namespace's id is, and keep it."""
        self.name = client.namespace
        self._service = client.workflow_service
        self._monotonic = monotonic
        self._id = ""
        self._ask_again_at = -math.inf
        self._asking = asyncio.Lock()

    async def check(self, token: TaskToken) -> None:
        """Check that `token` is one of this namespace; without an answer, leave it to the server.

        Raises:
            UnusableTokenError: It is one of another namespace.
        """
        async with self._asking:
            known = await self._find_id(token.namespace_id)
        if known and token.namespace_id != known:
            msg = (
                "this is no task token, or one of another namespace than the client's, "
                f"{self.name!r}; connect a client to the activity's namespace"
            )
            raise UnusableTokenError(msg)

    async def _find_id(self, expected: str) -> str:
        # Asked again before a token is refused: a namespace may have been replaced by another one
        # of its name.
        if expected != self._id and self._monotonic() >= self._ask_again_at:
            self._id = await self._ask()
            self._ask_again_at = self._monotonic() + _ASK_AGAIN_AFTER.total_seconds()
        return self._id

    async def _ask(self) -> str:
        """Return the id of the namespace; what was known before while nobody replies."""
        request = describe_namespace(self._service, self.name)
        try:
            answer = await in_time(request, within=_ASK_FOR)
        except (RPCError, RuntimeError):
            # The server checks it too, with the request itself.
            return self._id
        return answer.namespace_info.id
