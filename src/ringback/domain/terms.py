"""Terms: the part of a callback that an answer is checked against, and that never changes."""

from dataclasses import dataclass

from ringback.domain.callback import Callback
from ringback.domain.ids import CallbackId


@dataclass(frozen=True, slots=True)
class Terms:
    """What every answer to a callback is checked against before it is accepted.

    None of it changes, so it can be cached. The run of the workflow is missing: a callback that
    follows a reset moves to another run.

    Attributes:
        callback_id: The callback.
        namespace: Temporal's namespace.
        workflow_id: The workflow that scheduled the activity; empty for a standalone one.
        activity_id: The activity's id.
        workflow_type: What a data converter is told.
        activity_type: What a data converter is told.
        task_queue: What a data converter is told.
        schema_id: The schema that a result must meet: `CallbackStore.schemas` has its text.
    """

    callback_id: CallbackId
    namespace: str
    workflow_id: str
    activity_id: str
    workflow_type: str
    activity_type: str
    task_queue: str
    schema_id: str | None

    @property
    def is_standalone(self) -> bool:
        """Whether the activity runs without a workflow."""
        return not self.workflow_id


def terms_of(callback: Callback) -> Terms:
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
    )
