"""What a worker asks the gateway when an attempt opens its callback."""

import base64
import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from temporalio import activity

from ringback.domain.callback import ActivityExecution
from ringback.domain.outcome import Completed, Failed
from ringback.worker.options import Options


def to_open_request(
    info: activity.Info,
    ref: ActivityExecution,
    options: Options,
    *,
    schema: str | None,
    worker: str | None,
) -> bytes:
    """Return an `OpenIn` as JSON.

    A default answer and a result schema are in it exactly as they are: another writer of JSON
    would change numbers such as `1.10`.
    """
    about = options.about()
    told = {
        "deadline": _seconds(options.deadline),
        "attempts": options.attempts,
        "follow_reset": options.follow_reset,
        "heartbeat": options.heartbeat,
        "cancel_within": _seconds(options.cancel_within),
        "cancel_url": about.cancel_url,
        "notify_url": about.notify_url,
        "title": about.title,
        "tags": list(about.tags),
        "metadata": about.metadata,
    }
    parts = {name: _dump(value) for name, value in told.items()}
    default = options.default_answer()
    if default is not None:
        parts["on_deadline"] = _default(default)
    if schema is not None:
        parts["result_schema"] = schema.encode()
    return _object({
        "activity": _dump(_activity(info, ref)),
        "worker": _dump(worker),
        "options": _object(parts),
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
            "scheduled_at": info.scheduled_time.isoformat(),
            "started_at": info.started_time.isoformat(),
            "schedule_to_close_timeout": _seconds(info.schedule_to_close_timeout),
            "start_to_close_timeout": _seconds(info.start_to_close_timeout),
            "heartbeat_timeout": _seconds(info.heartbeat_timeout),
        },
    }


def _default(default: Completed | Failed) -> bytes:
    if isinstance(default, Completed):
        body = {} if default.result is None else {"body": default.result}
        return _object({"verb": _dump("complete"), **body})
    delay = default.next_retry_delay
    failure = {
        "message": default.message,
        "type": default.type or None,
        "non_retryable": default.non_retryable,
        "next_retry_delay": None if delay is None else delay.total_seconds(),
    }
    parts = {name: _dump(value) for name, value in failure.items()}
    if default.details is not None:
        parts["details"] = default.details
    return _object({"verb": _dump("fail"), "body": _object(parts)})


def _seconds(duration: timedelta | None) -> float | None:
    # Temporal's zero is no timeout.
    return duration.total_seconds() if duration else None


def _dump(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=False).encode()


def _object(parts: Mapping[str, bytes]) -> bytes:
    return b"{" + b",".join(_dump(name) + b":" + part for name, part in parts.items()) + b"}"
