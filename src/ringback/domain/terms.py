"""The immutable part of a callback that answers are validated against."""

from dataclasses import dataclass

from ringback.domain.callback import Callback
from ringback.domain.ids import CallbackId


@dataclass(frozen=True, slots=True)
class Terms:
    """What every answer to a callback is validated against before it is accepted.

    The terms never change, so they can be cached. The workflow run is not part of them: a callback
    that follows a reset moves to another run.

    Attributes:
        callback_id: The callback.
        namespace: Temporal's namespace.
        workflow_id: The workflow that scheduled the activity; empty for a standalone activity.
        activity_id: The activity's id.
        workflow_type: For the data converter.
        activity_type: For the data converter.
        task_queue: For the data converter.
        schema_id: The JSON Schema of the result: `CallbackStore.schemas` returns its text.
        has_policy: Whether people decide by rules, so that an answer is a vote.
        traceparent: The trace context of the attempt that created the callback.
    """

    callback_id: CallbackId
    namespace: str
    workflow_id: str
    activity_id: str
    workflow_type: str
    activity_type: str
    task_queue: str
    schema_id: str | None
    has_policy: bool = False
    traceparent: str | None = None

    @property
    def is_standalone(self) -> bool:
        """Whether the activity runs without a workflow."""
        return not self.workflow_id


def to_terms(callback: Callback) -> Terms:
    """Return the terms of `callback`."""
    return Terms(
        callback_id=callback.id,
        namespace=callback.ref.namespace,
        workflow_id=callback.ref.workflow_id,
        activity_id=callback.ref.activity_id,
        workflow_type=callback.workflow_type,
        activity_type=callback.activity_type,
        task_queue=callback.task_queue,
        schema_id=callback.schema_id,
        has_policy=callback.options.policy is not None,
        traceparent=callback.traceparent,
    )
