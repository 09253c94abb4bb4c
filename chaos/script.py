"""What a workflow is told to ask, and what it says it received; plain data for both processes."""

from dataclasses import dataclass

TASK_QUEUE = "ringback-chaos"


@dataclass(frozen=True)
class Question:
    """One activity of a workflow.

    Attributes:
        key: Names it among all: `w12q0`.
        activity_id: The id that the workflow chooses; `None` leaves it to the SDK.
        maximum_attempts: As in a retry policy: 0 for no limit.
        start_to_close: The attempt's timeout, in seconds.
        schedule_to_close: The activity's timeout, in seconds.
        heartbeat: The heartbeat timeout, in seconds; `None` for none.
        retry_after: How long Temporal waits between two attempts, in seconds.
        in_thread: Whether the activity runs in a thread.
    """

    key: str
    activity_id: str | None
    maximum_attempts: int
    start_to_close: float
    schedule_to_close: float
    heartbeat: float | None
    retry_after: float
    in_thread: bool


@dataclass(frozen=True)
class Script:
    """What one workflow does.

    Attributes:
        number: Which of the workflows it is.
        mode: The word for what is special about it.
        questions: What it asks.
        at_once: Whether it asks all of them at the same time.
        awaits_cancellation: Whether a cancellation waits for the report of the outside.
    """

    number: int
    mode: str
    questions: list[Question]
    at_once: bool
    awaits_cancellation: bool

    @property
    def workflow_id(self) -> str:
        """The workflow's id."""
        return f"chaos-{self.number}"


@dataclass(frozen=True)
class Received:
    """How a question ended, as the workflow saw it.

    Attributes:
        key: The question.
        how: `completed`, `failed`, `canceled` or `timed out`.
        text: What came with it, as text that holds the answer's value.
    """

    key: str
    how: str
    text: str
