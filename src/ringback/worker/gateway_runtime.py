"""The worker's connection to its gateway; apart from `runtime`, which workflow files import too."""

import asyncio
import base64
import json
import logging
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from temporalio import activity
from temporalio.client import Client

from ringback.client.calls import to_answer, to_bytes, to_object
from ringback.client.gateway_client import GatewayClient
from ringback.client.target import Target
from ringback.domain.api_key import Role
from ringback.domain.callback import ActivityExecution
from ringback.domain.durations import format_instant
from ringback.domain.errors import ConfigurationError, GatewayRefusedError
from ringback.domain.ids import CallbackId, OutcomeId
from ringback.domain.options import CallbackOptions
from ringback.domain.outcome import Canceled, Completed, Failed, from_parts
from ringback.schemas.responses import AnswerOut, WhoamiOut
from ringback.worker.answer import InlineAnswer
from ringback.worker.callback import Callback
from ringback.worker.runtime import Opened, to_ref

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class GatewayRuntime:
    """`WorkerRuntime` through the gateway's HTTP API.

    Attributes:
        client: The gateway.
        identity: The worker's identity, as the workflow history shows it.
        generate_schema: Returns the JSON Schema of a result type, if there is one.
        loop: The worker's event loop.
        process_id: The process that runs the loop.
    """

    client: GatewayClient
    identity: str
    generate_schema: Callable[[object], str | None]
    loop: asyncio.AbstractEventLoop
    process_id: int = field(default_factory=os.getpid)

    async def open(
        self,
        info: activity.Info,
        options: CallbackOptions,
        *,
        schema: object,
        is_inline: bool,
    ) -> Opened:
        request = to_open_request(
            info,
            to_ref(info),
            options,
            schema=self._to_schema(schema),
            worker=self.identity if is_inline else None,
        )
        opened, body = await self.client.open(request)
        callback = Callback(
            id=CallbackId(opened.id),
            deadline_at=opened.deadline,
            # An answer proves a submission, even if the attempt that submitted could not report it.
            is_submitted=opened.submitted or opened.answered,
            url=opened.url,
            _changes=self,
        )
        is_returned = is_inline and opened.next == "return" and opened.answer is not None
        if is_returned and options.resume:
            await self.client.confirm_resumed(opened.id, info.attempt)
        answer = _to_inline(opened.answer, body) if is_returned else None
        return Opened(callback, answer, is_poll=opened.next == "poll")

    def _to_schema(self, schema: object) -> str | None:
        if schema is None:
            return None
        if isinstance(schema, Mapping):
            return json.dumps(schema, allow_nan=False)
        return self.generate_schema(schema)

    async def mark_submitted(self, callback: Callback) -> None:
        await self.client.mark_submitted(callback.id)

    async def report_poll(
        self,
        callback: Callback,
        info: activity.Info,
        *,
        answer: Completed | Failed | None = None,
        error: str | None = None,
    ) -> None:
        await self.client.report_poll(
            callback.id, info.attempt, task_token=info.task_token, answer=answer, error=error
        )

    async def add_details(self, callback_id: CallbackId, details: Mapping[str, object]) -> str:
        return (await self.client.change_details(callback_id, details)).digest

    async def add_alias(self, callback_id: CallbackId, alias: str) -> None:
        try:
            await self.client.add_alias(callback_id, alias)
        except GatewayRefusedError as exc:
            # The callback has ended, so that nobody needs the alias: an answer by link came first.
            if exc.status != HTTPStatus.GONE:
                raise


@asynccontextmanager
async def worker_runtime(
    client: Client,
    target: Target,
    *,
    identity: str,
    generate_schema: Callable[[object], str | None],
) -> AsyncIterator[GatewayRuntime]:
    """Connect a worker's activities to the gateway while the block runs.

    Raises:
        ConfigurationError: The key has another role, or the gateway serves another namespace.
        GatewayUnavailableError: The gateway cannot be reached; start it, or set RINGBACK_URL.
        GatewayRefusedError: The gateway rejects the API key.
    """
    async with GatewayClient(target) as gateway:
        found = await gateway.whoami()
        check_gateway(found, target, client.namespace)
        logger.info(
            "Ringback gateway: %s, version %s, namespace %s, API key %s",
            target.url,
            found.version,
            found.namespace,
            found.key,
        )
        yield GatewayRuntime(gateway, identity, generate_schema, asyncio.get_running_loop())


def _to_inline(answer: AnswerOut | None, body: bytes | None) -> InlineAnswer:
    assert answer is not None, "a reply with an answer to return contains it"
    outcome = from_parts(answer.kind, body, answer.model_dump())
    assert not isinstance(outcome, Canceled), "the gateway delivers no cancellation inline"
    return InlineAnswer(OutcomeId(answer.id), outcome)


def check_gateway(found: WhoamiOut, target: Target, namespace: str) -> None:
    """Check what a gateway says of a worker's API key, and of itself.

    Raises:
        ConfigurationError: The key is of another role, or the gateway serves another namespace.
    """
    if found.role != Role.WORKER.value:
        msg = (
            f"the API key of {target.source} has the role {found.role}; a worker needs one that"
            f" `ringback keys add --role {Role.WORKER.value}` made"
        )
        raise ConfigurationError(msg)
    if found.namespace != namespace:
        msg = (
            f"this worker is in the namespace {namespace!r}, and the gateway at {target.url} serves"
            f" {found.namespace!r}; set TEMPORAL_NAMESPACE for both, or use another RINGBACK_URL"
        )
        raise ConfigurationError(msg)


def to_open_request(
    info: activity.Info,
    ref: ActivityExecution,
    options: CallbackOptions,
    *,
    schema: str | None,
    worker: str | None,
) -> bytes:
    """Return an `OpenIn` as JSON.

    It contains the default answer and the result schema byte for byte: encoding them again would
    change numbers such as `1.10`.
    """
    plain = options.to_plain()
    if options.policy is not None and not options.policy.assignees:
        # The gateway refuses an empty list, which may have been computed by mistake.
        del plain["policy"]["assignees"]
    parts = {name: to_bytes(_to_json(value)) for name, value in plain.items()}
    if options.on_deadline is not None:
        parts["on_deadline"] = to_answer(options.on_deadline)
    if schema is not None:
        parts["result_schema"] = schema.encode()
    return to_object({
        "activity": to_bytes(_activity(info, ref)),
        "worker": to_bytes(worker),
        "options": to_object(parts),
    })


def _activity(info: activity.Info, ref: ActivityExecution) -> dict[str, Any]:
    return {
        "namespace": ref.namespace,
        "workflow_id": ref.workflow_id,
        "run_id": ref.run_id,
        "activity_id": ref.activity_id,
        "attempt": info.attempt,
        "task_token": base64.b64encode(info.task_token).decode("ascii"),
        "info": {
            "workflow_type": info.workflow_type or "",
            "activity_type": info.activity_type,
            "task_queue": info.task_queue,
            "scheduled_at": format_instant(info.scheduled_time),
            "started_at": format_instant(info.started_time),
            "schedule_to_close_timeout": _seconds(info.schedule_to_close_timeout),
            "start_to_close_timeout": _seconds(info.start_to_close_timeout),
            "heartbeat_timeout": _seconds(info.heartbeat_timeout),
        },
    }


def _to_json(value: object) -> object:
    return value.total_seconds() if isinstance(value, timedelta) else value


def _seconds(duration: timedelta | None) -> float | None:
    # Temporal uses zero for no timeout.
    return duration.total_seconds() if duration else None
