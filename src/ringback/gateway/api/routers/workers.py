"""Callbacks for workers: opening one, and reporting that the request was submitted."""

import json
from typing import Any, cast

from fastapi import Request, Response

from ringback.core.opening import OpenReply
from ringback.core.operations import get_callback
from ringback.domain.api_key import Act, ApiKey
from ringback.domain.callback import Accepted
from ringback.domain.durations import format_instant
from ringback.domain.errors import MalformedRequestError, Problem
from ringback.domain.options import PLAIN_OPTIONS, CallbackOptions
from ringback.domain.outcome import KINDS, Completed, Failed, to_body, to_fields
from ringback.gateway.api.access import IdInPath, new_router, requires
from ringback.gateway.api.bodies import raw, read_model, takes
from ringback.gateway.api.problems import OF_A_BODY, behind_a_key
from ringback.gateway.api.services import CheckSchema, Injected, Services
from ringback.gateway.body import TO_OUTCOME
from ringback.ports.activities import AttemptInfo, AttemptRef
from ringback.schemas.requests import (
    LONGEST_SCHEMA,
    ActivityIn,
    DefaultAnswer,
    InfoIn,
    OpenIn,
    OptionsIn,
)
from ringback.schemas.responses import OpenedOut, WhoamiOut

router = new_router("/callbacks")
identity = new_router("")


@router.post(
    "",
    summary="Open the callback of an activity, or find it",
    dependencies=requires(Act.OPEN),
    response_model=OpenedOut,
    responses=behind_a_key(410, *OF_A_BODY),
    openapi_extra=takes(OpenIn),
)
async def open_callback(services: Injected, request: Request) -> Response:
    """Return the same callback for the same activity, over all its attempts. Safe to repeat.

    `next` says what the attempt does now. `submit`: give `url` to the sender, then
    `POST …/submitted`, then complete asynchronously. `wait`: complete asynchronously at once.
    `return`: end with `answer`, since nobody else delivers it to this attempt.
    """
    asked, body = await read_model(request, OpenIn, limit=services.body_limit)
    schema = await _to_schema(asked.options, body, services.check_schema)
    opened = await services.open_service.open(
        _to_attempt_ref(asked.activity),
        _to_options(asked.options, body),
        result_schema=schema,
        worker=asked.worker,
    )
    content = _to_json(opened, services)
    return Response(content, media_type="application/json", headers={"cache-control": "no-store"})


@router.post(
    "/{id}/submitted",
    summary="Report that the request was submitted: no later attempt submits it again",
    dependencies=requires(Act.SUBMIT),
    status_code=204,
    responses=behind_a_key(404),
)
async def mark_submitted(services: Injected, callback_id: IdInPath) -> None:
    """Record the submission. Only the first report counts; it is safe to repeat."""
    callback = await get_callback(services.store, callback_id)
    await services.opener.mark_submitted(callback.id)


@identity.get(
    "/whoami",
    summary="Show the API key and the gateway",
    dependencies=requires(Act.IDENTIFY),
    responses=behind_a_key(),
)
async def whoami(services: Injected, request: Request) -> WhoamiOut:
    """Return what the gateway knows of the key. A client checks its settings with it."""
    key: ApiKey = request.state.key
    return WhoamiOut(
        key=key.id,
        name=key.name,
        role=key.role.value,
        version=services.version,
        namespace=services.namespace,
    )


def _to_attempt_ref(activity: ActivityIn) -> AttemptRef:
    return AttemptRef(
        activity.namespace,
        activity.workflow_id,
        activity.run_id,
        activity.activity_id,
        activity.attempt,
        activity.task_token,
        None if activity.info is None else _to_info(activity.info),
    )


def _to_info(info: InfoIn) -> AttemptInfo:
    return AttemptInfo(
        workflow_type=info.workflow_type,
        activity_type=info.activity_type,
        task_queue=info.task_queue,
        scheduled_at=info.scheduled_at,
        started_at=info.started_at,
        schedule_to_close=info.schedule_to_close_timeout,
        start_to_close=info.start_to_close_timeout,
        heartbeat_timeout=info.heartbeat_timeout,
    )


def _to_options(asked: OptionsIn, body: bytes) -> CallbackOptions:
    """Return the options; the default answer stays as it was written in `body`."""
    plain = {name: getattr(asked, name) for name in PLAIN_OPTIONS}
    return CallbackOptions.from_plain(plain, _to_default(asked.on_deadline, body))


def _to_default(asked: DefaultAnswer | None, body: bytes) -> Completed | Failed | None:
    if asked is None:
        return None
    answer = TO_OUTCOME[asked.verb](raw(body, "options", "on_deadline", "body"))
    return cast("Completed | Failed", answer)


async def _to_schema(asked: OptionsIn, body: bytes, check_schema: CheckSchema) -> str | None:
    if asked.result_schema is None:
        return None
    text = (raw(body, "options", "result_schema") or b"").decode()
    if len(text) > LONGEST_SCHEMA:
        why: str | None = f"it is longer than {LONGEST_SCHEMA} bytes"
    else:
        why = await check_schema(text)
    if why is not None:
        raise MalformedRequestError([Problem("/options/result_schema", why)])
    return text


def _to_json(opened: OpenReply, services: Services) -> bytes:
    """Return the reply, with the answer exactly as it was given."""
    callback, answer = opened.callback, opened.answer
    deadline = callback.deadline_at
    told: dict[str, Any] = {
        "id": callback.id,
        "url": services.own_link(callback),
        "state": callback.state.value,
        "submitted": callback.submitted_at is not None,
        "answered": answer is not None,
        "next": opened.next.value,
        "deadline": None if deadline is None else format_instant(deadline),
    }
    content = [json.dumps(told)[:-1].encode(), b', "answer": ', _answer_to_json(answer), b"}"]
    return b"".join(content)


def _answer_to_json(answer: Accepted | None) -> bytes:
    if answer is None:
        return b"null"
    outcome = answer.outcome
    told = json.dumps({
        "id": answer.id,
        "kind": KINDS[type(outcome)],
        **to_fields(outcome),
    }).encode()
    body = to_body(outcome)
    return told if body is None else b"".join([told[:-1], b', "body": ', body, b"}"])
