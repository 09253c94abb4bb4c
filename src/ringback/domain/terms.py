"""Terms: the little of a callback that an answer to it is checked against."""

from dataclasses import dataclass

from ringback.domain.callback import ActivityExecution, Callback, State
from ringback.domain.ids import CallbackId


@dataclass(frozen=True, slots=True)
class Terms:
    """What an answer to a callback is held to before it is accepted.

    A callback has four times as much: every answer is checked, and few look at the rest.

    Attributes:
        callback_id: The callback.
        ref: The activity.
        workflow_type: What a data converter is told.
        activity_type: What a data converter is told.
        task_queue: What a data converter is told.
        schema_id: The schema that a result must meet: `CallbackStore.schemas` has its text.
        link_serial: Which of its links are good.
        is_open: Whether nobody has answered it yet, and it has not expired.
    """

    callback_id: CallbackId
    ref: ActivityExecution
    workflow_type: str
    activity_type: str
    task_queue: str
    schema_id: str | None
    link_serial: int
    is_open: bool

    def honours(self, serial: int | None) -> bool:
        """Tell whether a link with `serial` is good still; who came without one is let in."""
        return serial is None or serial == self.link_serial


def terms_of(callback: Callback) -> Terms:
    """Return the terms of `callback`."""
    return Terms(
        callback_id=callback.id,
        ref=callback.ref,
        workflow_type=callback.workflow_type,
        activity_type=callback.activity_type,
        task_queue=callback.task_queue,
        schema_id=callback.schema_id,
        link_serial=callback.link_serial,
        is_open=callback.state is State.OPEN,
    )
