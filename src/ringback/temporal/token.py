"""Task tokens, parsed to reject invalid ones before anything is sent.

A token is an unsigned protobuf message, `temporal.server.api.token.v1.Task` (observed on server
1.32). Its content is unverified: it is used for reading, never to authorize a caller.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from ringback.domain.callback import ActivityExecution
from ringback.domain.completion_errors import UnusableTokenError

_LOCAL: Final = b"local_act_"
_UNKNOWN: Final = datetime.fromtimestamp(0, UTC)

_TEXT: Final = FieldDescriptorProto.TYPE_STRING
_NUMBER: Final = FieldDescriptorProto.TYPE_INT64
_BYTES: Final = FieldDescriptorProto.TYPE_BYTES

_FIELDS: Final = {
    "Task": {
        "namespace_id": (1, _TEXT),
        "workflow_id": (2, _TEXT),
        "run_id": (3, _TEXT),
        "scheduled_event_id": (4, _NUMBER),
        "attempt": (5, _NUMBER),
        "activity_id": (6, _TEXT),
        "component": (14, _BYTES),
    },
    # A standalone activity's token has this instead of a workflow's ids.
    "Component": {"activity_id": (2, _TEXT), "run_id": (3, _TEXT)},
}


def _messages() -> DescriptorPool:
    file = FileDescriptorProto(name="ringback/task_token.proto", syntax="proto3")
    for name, fields in _FIELDS.items():
        message = file.message_type.add(name=name)
        for field, (number, type_) in fields.items():
            optional = FieldDescriptorProto.LABEL_OPTIONAL
            message.field.add(name=field, number=number, type=type_, label=optional)
    pool = DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return pool


_POOL: Final = _messages()


@dataclass(frozen=True, slots=True)
class TaskToken:
    """The unverified content of a token.

    Attributes:
        namespace_id: The id of the namespace, which is not its name.
        workflow_id: The workflow that scheduled the activity; empty for a standalone activity.
        run_id: The workflow run, or the standalone activity's own run.
        activity_id: The activity's id; may be empty if `scheduled_event_id` is set.
        scheduled_event_id: The event that scheduled it; 0 for a standalone activity.
        attempt: The attempt that got the token.
    """

    namespace_id: str
    workflow_id: str
    run_id: str
    activity_id: str
    scheduled_event_id: int
    attempt: int

    def to_execution(self, namespace: str) -> ActivityExecution:
        """Return the activity in the named namespace; the scheduled time is unknown."""
        return ActivityExecution(
            namespace, self.workflow_id, self.run_id, self.activity_id, _UNKNOWN
        )


def read_token(token: bytes) -> TaskToken:
    """Parse `token`.

    Any bytes are safe: this returns a token or raises `UnusableTokenError`.

    Raises:
        UnusableTokenError: It is empty, that of a local activity, or not a task token.
    """
    if not token:
        msg = "the task token is empty"
        raise UnusableTokenError(msg)
    if is_local(token):
        msg = "this is the token of a local activity, which can only be completed by its worker"
        raise UnusableTokenError(msg)
    task = _parse("Task", token)
    component = _parse("Component", task.component)
    if not task.namespace_id or not (task.activity_id or task.scheduled_event_id):
        raise UnusableTokenError(_UNREADABLE)
    return TaskToken(
        task.namespace_id,
        task.workflow_id,
        task.run_id or component.run_id,
        task.activity_id,
        task.scheduled_event_id,
        task.attempt,
    )


def is_local(token: bytes) -> bool:
    """Return whether `token` is that of a local activity, which only its worker can complete."""
    return token.startswith(_LOCAL)


_UNREADABLE: Final = "this is not a task token; decode hexadecimal or base64 text first"


def _parse(name: str, data: bytes) -> Any:
    message = GetMessageClass(_POOL.FindMessageTypeByName(name))()
    try:
        message.ParseFromString(data)
    except DecodeError:
        # Without the cause, whose text may quote the token.
        raise UnusableTokenError(_UNREADABLE) from None
    return message
