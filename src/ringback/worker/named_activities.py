"""Activities that workflows in any language call by name: they wait, and need no worker of yours.

Input and output are plain JSON. A wrong input fails the activity at once, not retryable, with what
to change. The link is in no input, output or failure, so no workflow history shows it.
"""

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final, NoReturn, TypeVar, assert_never

from pydantic import ValidationError
from temporalio import activity
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

from ringback.client.calls import to_bytes, to_object
from ringback.domain.errors import GatewayRefusedError
from ringback.domain.exact_json import OUT_OF_RANGE, has_infinite_number, members
from ringback.domain.options import PLAIN_OPTIONS, CallbackOptions
from ringback.domain.outcome import Completed, Failed
from ringback.ports.webhooks import NotReceived, Received, Sender, Undeliverable, WebhookMessage
from ringback.schemas.activity_inputs import (
    AskIn,
    DefaultFailureIn,
    DefaultResultIn,
    EventIn,
    WaitIn,
)
from ringback.schemas.options import to_plain
from ringback.worker.attempt import wait_async
from ringback.worker.callback import Callback

TASK_QUEUE: Final = "ringback"
"""The task queue on which workflows find these activities."""

INVALID_INPUT: Final = "InvalidInput"
"""Failure type of an activity whose input is wrong; not retryable."""

UNDELIVERABLE: Final = "LinkUndeliverable"
"""Failure type of `ringback.wait` if its URL may not or cannot receive the link; not retryable."""

NOT_DELIVERED: Final = "LinkNotDelivered"
"""Failure type of an attempt of `ringback.wait` whose POST failed; the next attempt repeats it."""

_NAMES: Final = ("ringback.ask", "ringback.wait", "ringback.event")
_INVALID: Final = frozenset({400, 413, 422})
"""Statuses of the gateway that mean a wrong input, which no retry corrects."""

_JSON: Final = frozenset({b"json/plain", b"json/protobuf"})
_NOT_JSON: Final = frozenset({b"binary/null", b"binary/plain", b"binary/protobuf"})
_MOST_PROBLEMS: Final = 10
_LONGEST_DELAY: Final = timedelta(hours=3)
"""The longest `Retry-After` of a receiver that is respected."""

I = TypeVar("I", AskIn, WaitIn, EventIn)  # noqa: E741 - one of the inputs


class NamedActivities:
    """`ringback.ask`, `ringback.wait` and `ringback.event`."""

    def __init__(self, sender: Sender) -> None:
        """Send links over `sender`, which decides on the allowed addresses and signs."""
        self._sender = sender

    @activity.defn(dynamic=True)
    async def run(self, given: Sequence[RawValue]) -> RawValue:
        """Run the activity that the workflow named.

        It is dynamic, so that it gets its input as it is: any number of arguments, of any encoding.

        Raises:
            ApplicationError: The name or the input is wrong, or the link could not be delivered.
            RingbackError: The gateway does not reply, or rejects the worker; Temporal retries.
        """
        match activity.info().activity_type:
            case "ringback.ask":
                return await self.ask(given)
            case "ringback.wait":
                return await self.wait(given)
            case "ringback.event":
                return await self.event(given)
            case name:
                # Retryable: a newer version may know the name.
                msg = f"there is no activity {name!r} here; call {', '.join(_NAMES)}"
                raise ApplicationError(msg, type="UnknownActivity")

    async def ask(self, given: Sequence[RawValue]) -> RawValue:
        """Ask people to approve or reject; return their decision.

        Raises:
            ApplicationError: The input is wrong.
        """
        asked, _ = _parse(AskIn, given)
        default = None if asked.on_deadline is None else _to_decision(asked)
        return await _wait(_to_options(asked, default), asked.form, schema_is="form")

    async def wait(self, given: Sequence[RawValue]) -> RawValue:
        """Send a link to a URL; return the result that is sent to the link.

        Raises:
            ApplicationError: The input is wrong, or the link could not be delivered.
        """
        asked, texts = _parse(WaitIn, given)
        body = texts.get("body", b"{}")
        # Before anything is opened: a body without a place for the link is a wrong input.
        _add_link(body, asked.link_at, "")

        async def submit(callback: Callback) -> None:
            content = _add_link(body, asked.link_at, callback.url)
            await self._send(
                WebhookMessage(callback.id, asked.url, content, idempotency_key=callback.id)
            )

        options = _to_options(asked, _to_default(asked, texts))
        return await _wait(options, asked.result_schema, submit)

    async def event(self, given: Sequence[RawValue]) -> RawValue:
        """Wait for an event with an alias; return the result that its source's rule makes of it.

        Raises:
            ApplicationError: The input is wrong.
        """
        asked, texts = _parse(EventIn, given)
        asked.aliases = [asked.alias, *asked.aliases]
        return await _wait(_to_options(asked, _to_default(asked, texts)), asked.result_schema)

    async def _send(self, message: WebhookMessage) -> None:
        match await self._sender.send(message):
            case Received():
                return
            case Undeliverable(reason):
                msg = f"the link cannot be sent to url: {reason}"
                raise ApplicationError(msg, type=UNDELIVERABLE, non_retryable=True)
            case NotReceived(reason, retry_after):
                msg = f"the link was not sent to url: {reason}"
                delay = None if retry_after is None else min(retry_after, _LONGEST_DELAY)
                raise ApplicationError(msg, type=NOT_DELIVERED, next_retry_delay=delay)
            case other:
                assert_never(other)


async def _submit_nothing(_: Callback) -> None:
    """Submit nothing: people or sources find the callback themselves."""


async def _wait(
    options: CallbackOptions,
    schema: object,
    submit: Any = _submit_nothing,
    *,
    schema_is: str = "result_schema",
) -> RawValue:
    try:
        return await wait_async(submit, RawValue, options, schema=schema, resubmit=False)
    except GatewayRefusedError as exc:
        if exc.status not in _INVALID:
            raise
        # The gateway names its own options, which the input has as members.
        _refuse(str(exc).replace("/options/result_schema", schema_is).replace("/options/", ""))


def _parse(model: type[I], given: Sequence[RawValue]) -> tuple[I, dict[str, bytes]]:
    """Return the input, and its members byte for byte.

    Raises:
        ApplicationError: It is not one JSON object that the model accepts.
    """
    name = activity.info().activity_type
    if len(given) != 1:
        _refuse(f"{name} takes one argument, a JSON object, not {len(given)}")
    text = _to_json(name, given[0])
    problem = _why_not_json(text)
    try:
        if problem is None:
            return model.model_validate_json(text), members(text)
    except ValidationError as exc:
        found = exc.errors(include_input=False, include_url=False, include_context=False)
        problems = (
            f"{'.'.join(map(str, one['loc'])) or 'the input'}: {one['msg']}"
            for one in found[:_MOST_PROBLEMS]
        )
        problem = "; ".join(problems)
    _refuse(f"the input of {name} is wrong: {problem}")


def _why_not_json(text: bytes) -> str | None:
    """Return why strict parsers would reject it: encoders of some SDKs write NaN."""
    found: list[str] = []
    try:
        json.loads(text, parse_constant=found.append)
    except (ValueError, RecursionError):
        return "it is not JSON"
    if found:
        return f"it contains {found[0]}, which is not JSON"
    return OUT_OF_RANGE if has_infinite_number(text) else None


def _to_json(name: str, given: RawValue) -> bytes:
    encoding = given.payload.metadata.get("encoding", b"")
    if encoding in _JSON:
        return given.payload.data
    named = encoding.decode("ascii", "replace") or "nothing"
    if encoding in _NOT_JSON:
        _refuse(f"the input of {name} is {named}; send one JSON object")
    msg = (
        f"the input of {name} is encoded as {named}, which this worker cannot read; set"
        " RINGBACK_DATA_CONVERTER to the data converter and codec of the workflow"
    )
    raise ApplicationError(msg, type=INVALID_INPUT)


def _refuse(message: str) -> NoReturn:
    raise ApplicationError(message, type=INVALID_INPUT, non_retryable=True) from None


def _to_options(
    asked: AskIn | WaitIn | EventIn, default: Completed | Failed | None
) -> CallbackOptions:
    names = [name for name in PLAIN_OPTIONS if hasattr(asked, name)]
    plain = {name: to_plain(getattr(asked, name)) for name in names}
    return CallbackOptions.from_plain(plain, default)


def _to_decision(asked: AskIn) -> Completed:
    """Return the default decision, in the form of one that people make."""
    assert asked.on_deadline is not None, "the caller checked it"
    decision: dict[str, object] = {"by": None, "form": None, "votes": [], "is_default": True}
    return Completed(to_bytes({**asked.on_deadline.model_dump(), **decision}))


def _to_default(asked: WaitIn | EventIn, texts: dict[str, bytes]) -> Completed | Failed | None:
    match asked.on_deadline:
        case None:
            return None
        case DefaultResultIn():
            return Completed(members(texts["on_deadline"]).get("body"))
        case DefaultFailureIn(body=body):
            return Failed(body.message, type=body.type, non_retryable=body.non_retryable)
        case other:
            assert_never(other)


def _add_link(body: bytes, pointer: str, url: str) -> bytes:
    steps = [step.replace("~1", "/").replace("~0", "~") for step in pointer[1:].split("/")]
    try:
        return _add(body, steps, to_bytes(url))
    except ValueError:
        pass
    _refuse(
        f"link_at is {pointer!r}, where body already has a value, or a part of it that is no"
        " object; name a free member"
    )


def _add(obj: bytes, steps: Sequence[str], value: bytes) -> bytes:
    """Add a member to an object, whose other members stay as they are, byte for byte.

    Raises:
        ValueError: The place is taken, or is not in an object.
    """
    parts = members(obj)
    first, *more = steps
    if more:
        return to_object({**parts, first: _add(parts.get(first, b"{}"), more, value)})
    if parts.get(first, b"null") != b"null":
        raise ValueError
    return to_object({**parts, first: value})
