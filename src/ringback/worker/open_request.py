"""The request with which an attempt opens its callback."""

import base64
from datetime import timedelta
from typing import Any

from temporalio import activity

from ringback.client.answers import to_bytes, to_object, to_request
from ringback.domain.callback import ActivityExecution
from ringback.domain.durations import format_instant
from ringback.domain.options import CallbackOptions
from ringback.domain.outcome import Completed, Failed


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
    parts = {name: to_bytes(_to_json(value)) for name, value in options.to_plain().items()}
    if options.on_deadline is not None:
        parts["on_deadline"] = _default(options.on_deadline)
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


def _default(default: Completed | Failed) -> bytes:
    verb, body = to_request(default)
    given = {} if body is None else {"body": body}
    return to_object({"verb": to_bytes(verb), **given})


def _to_json(value: object) -> object:
    return value.total_seconds() if isinstance(value, timedelta) else value


def _seconds(duration: timedelta | None) -> float | None:
    # Temporal uses zero for no timeout.
    return duration.total_seconds() if duration else None
