"""Targets: what a caller addressed, checked, in the form that requests and looks need."""

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError

from ringback.completion.refs import ActivityRef, Target, to_execution
from ringback.domain.callback import ActivityExecution
from ringback.domain.completion_errors import UnusableTokenError
from ringback.temporal.request import in_time
from ringback.temporal.token import TaskToken, read_token

_ASK_FOR: Final = timedelta(seconds=1)
_ASK_AGAIN_AFTER: Final = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Addressed:
    """An activity, as one call addresses it.

    Attributes:
        execution: The activity by its ids; with a token those that it claims, to look only.
        task_token: The token, if that was given.
        claim: What it claims.
    """

    execution: ActivityExecution
    task_token: bytes | None = None
    claim: TaskToken | None = None

    @property
    def fields(self) -> dict[str, Any]:
        """What names it in a request."""
        if self.task_token is not None:
            return {"namespace": self.execution.namespace, "task_token": self.task_token}
        return {
            "namespace": self.execution.namespace,
            "workflow_id": self.execution.workflow_id,
            "run_id": self.execution.run_id,
            "activity_id": self.execution.activity_id,
        }

    @property
    def is_fenced(self) -> bool:
        """Whether a repeat reaches no other run: a token is of one attempt, a run id of one run."""
        return self.task_token is not None or bool(self.execution.run_id)

    def __repr__(self) -> str:
        # A token is a secret: whoever reads it in a log can complete the activity.
        return f"{type(self).__name__}({self.execution})"


class Targets:
    """Checks what callers address, for the client of one namespace."""

    def __init__(self, client: Client, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Ask through `client` what its namespace's id is, and keep it."""
        self._client = client
        self._monotonic = monotonic
        self._namespace_id = ""
        self._ask_again_at = -math.inf
        self._asking = asyncio.Lock()

    async def find(self, activity: Target) -> Addressed:
        """Return what `activity` addresses.

        Raises:
            UnusableTokenError: It is no token of an activity in the client's namespace.
            TypeError: It is neither a token nor ids.
        """
        namespace = self._client.namespace
        match activity:
            case ActivityRef():
                return Addressed(to_execution(activity, namespace))
            case bytes():
                claim = read_token(activity)
                await self._check(claim)
                return Addressed(claim.to_execution(namespace), activity, claim)
            case _:
                msg = f"give a task token as bytes, or an ActivityRef; not {type(activity)}"
                raise TypeError(msg)

    async def _check(self, claim: TaskToken) -> None:
        async with self._asking:
            known = await self._find_namespace_id(claim.namespace_id)
        if known and claim.namespace_id != known:
            msg = (
                "this is no task token, or one of another namespace than the client's, "
                f"{self._client.namespace!r}; connect a client to the activity's namespace"
            )
            raise UnusableTokenError(msg)

    async def _find_namespace_id(self, expected: str) -> str:
        # Asked again before a token is refused: a namespace of that name may have been made anew.
        if expected != self._namespace_id and self._monotonic() >= self._ask_again_at:
            self._namespace_id = await self._ask()
            self._ask_again_at = self._monotonic() + _ASK_AGAIN_AFTER.total_seconds()
        return self._namespace_id

    async def _ask(self) -> str:
        """Return the id of the client's namespace; what was known before while nobody tells."""
        request = DescribeNamespaceRequest(namespace=self._client.namespace)
        try:
            service = self._client.workflow_service
            answer = await in_time(service.describe_namespace, request, within=_ASK_FOR)
        except (RPCError, RuntimeError):
            # The server checks it too, with the request itself.
            return self._namespace_id
        return answer.namespace_info.id
