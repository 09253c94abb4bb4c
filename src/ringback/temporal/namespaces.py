"""Namespaces by their ids: whether a server is the one that a callback's task token is from."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.service import WorkflowService

from ringback.domain.callback import Callback
from ringback.domain.completion_errors import UnusableTokenError
from ringback.domain.errors import TemporalMisconfiguredError
from ringback.temporal.request import in_time, translated
from ringback.temporal.token import read_token

_FRESH_FOR: Final = timedelta(seconds=1)


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
            described = await in_time(
                self._service.describe_namespace, DescribeNamespaceRequest(namespace=namespace)
            )
        now = self._monotonic()
        self._known[namespace] = described.namespace_info.id, now + _FRESH_FOR.total_seconds()
        return described.namespace_info.id
