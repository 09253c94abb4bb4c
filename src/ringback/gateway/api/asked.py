"""What a worker in any language asks for when it opens a callback."""

from collections.abc import Callable
from functools import partial
from typing import Any, Final, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from ringback.core.ask import Wants
from ringback.domain.about import (
    LONGEST_TITLE,
    MOST_TAGS,
    About,
    check_metadata,
    check_tags,
    check_title,
    check_url,
)
from ringback.domain.callback import Attempts
from ringback.domain.errors import MalformedRequestError, Problem
from ringback.domain.outcome import Completed, Failed
from ringback.domain.vitals import HeartbeatBy
from ringback.gateway.api.bodies import raw
from ringback.gateway.api.values import Duration, Json, Name, TaskToken, Text
from ringback.gateway.body import TO_OUTCOME
from ringback.ports.identifying import Named

LONGEST_SCHEMA: Final = 64 * 1024
_SCHEMA_AT: Final = "/options/result_schema"

CheckSchema = Callable[[str], str | None]
"""Says what is wrong with a result schema; `None` if nothing is."""


class ActivityIn(BaseModel):
    """The attempt that asks, as every SDK tells it. Everything else is learnt from Temporal."""

    model_config = ConfigDict(extra="forbid", title="Activity")

    namespace: Name = Field(description="Temporal's namespace.")
    workflow_id: Text = Field(
        default="", description="The workflow of the activity; leave it out for a standalone one."
    )
    run_id: Name = Field(description="The workflow's run; a standalone activity's own.")
    activity_id: Name = Field(description="The activity's id.")
    attempt: int = Field(
        strict=True, ge=1, le=2**31 - 1, description="The number of the attempt, from 1."
    )
    task_token: TaskToken = Field(
        description="The task token of the attempt. It is kept, and never told to anybody.",
        repr=False,
    )

    def to_named(self) -> Named:
        """Return the attempt in the core's words."""
        return Named(
            self.namespace,
            self.workflow_id,
            self.run_id,
            self.activity_id,
            self.attempt,
            self.task_token,
        )


class DefaultAnswer(BaseModel):
    """The answer that is taken if nobody gives one in time."""

    model_config = ConfigDict(extra="forbid")

    verb: Literal["complete", "fail"]
    body: Json = Field(default=None, repr=False, description="What `POST /c/{link}/{verb}` takes.")


class OptionsIn(BaseModel):
    """What the activity asks for besides an answer; all of it is optional."""

    model_config = ConfigDict(extra="forbid", title="Options")

    deadline: Duration | None = Field(
        default=None, description="How long the outside may take, from the first opening on."
    )
    on_deadline: DefaultAnswer | None = Field(
        default=None,
        repr=False,
        description="What the activity ends with if nobody answers in time.",
    )
    attempts: Literal["any", "current"] = Field(
        default="any", description="Which attempt an answer may end: any, or only the one it asked."
    )
    follow_reset: bool = Field(
        default=False,
        strict=True,
        description="Whether the callback goes on after a reset of the workflow.",
    )
    heartbeat: Literal["outside", "keep"] = Field(
        default="outside", description="Who keeps the activity alive: the outside or the gateway."
    )
    cancel_within: Duration | None = Field(
        default=None, description="How long the outside may take to report a cancellation."
    )
    cancel_url: Text | None = Field(
        default=None,
        repr=False,
        description="Where the outside is told that its answer is not wanted.",
    )
    notify_url: Text | None = Field(
        default=None,
        repr=False,
        description="Where the outside is told of everything that happens.",
    )
    title: Text | None = Field(
        default=None, max_length=LONGEST_TITLE, description="What is asked, for people."
    )
    tags: list[Text] = Field(
        default=[], max_length=MOST_TAGS, description="What it can be found by."
    )
    metadata: dict[str, Json] = Field(
        default={}, repr=False, description="Anything else that is to be found with it."
    )
    result_schema: dict[str, Json] | bool | None = Field(
        default=None, description="The JSON Schema (2020-12) that a result must meet."
    )

    @field_validator("cancel_url", "notify_url", "title", "tags", "metadata")
    @classmethod
    def _can_be_kept(cls, value: Any, info: ValidationInfo) -> Any:
        _CHECKS[info.field_name or ""](value)
        return value


_CHECKS: Final[dict[str, Callable[[Any], None]]] = {
    "cancel_url": partial(check_url, "cancel_url"),
    "notify_url": partial(check_url, "notify_url"),
    "title": check_title,
    "tags": check_tags,
    "metadata": check_metadata,
}


class OpenIn(BaseModel):
    """A wish for the callback of an activity."""

    model_config = ConfigDict(extra="forbid", title="Opening")

    activity: ActivityIn
    options: OptionsIn = OptionsIn()


def to_wants(asked: OptionsIn, body: bytes, check_schema: CheckSchema) -> Wants:
    """Return what is asked for in the core's words; `body` is what it was read from.

    JSON that is kept stays as it was written.

    Raises:
        MalformedRequestError: The result schema cannot be used.
        MalformedAnswerError: The default answer cannot be read.
    """
    return Wants(
        answer_within=asked.deadline,
        on_deadline=_to_default(asked.on_deadline, body),
        attempts=Attempts(asked.attempts),
        follows_reset=asked.follow_reset,
        result_schema=_to_schema(asked, body, check_schema),
        about=About(
            title=asked.title,
            tags=tuple(dict.fromkeys(asked.tags)),
            metadata=asked.metadata,
            cancel_url=asked.cancel_url,
            notify_url=asked.notify_url,
        ),
        heartbeat_by=HeartbeatBy(asked.heartbeat),
        cancel_within=asked.cancel_within,
    )


def _to_default(asked: DefaultAnswer | None, body: bytes) -> Completed | Failed | None:
    if asked is None:
        return None
    answer = TO_OUTCOME[asked.verb](raw(body, "options", "on_deadline", "body"))
    return cast("Completed | Failed", answer)


def _to_schema(asked: OptionsIn, body: bytes, check_schema: CheckSchema) -> str | None:
    if asked.result_schema is None:
        return None
    text = (raw(body, "options", "result_schema") or b"").decode()
    if len(text) > LONGEST_SCHEMA:
        why: str | None = f"it is longer than {LONGEST_SCHEMA} bytes"
    else:
        why = check_schema(text)
    if why is not None:
        raise MalformedRequestError([Problem(_SCHEMA_AT, why)])
    return text
