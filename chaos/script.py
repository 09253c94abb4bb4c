"""The script of a workflow and what it received, as plain data for both processes."""

from dataclasses import dataclass
from typing import Literal

TASK_QUEUE = "ringback-chaos"

Way = Literal["link", "event", "queue"]


@dataclass(frozen=True)
class Question:
    """One activity of a workflow.

    Attributes:
        key: Its unique name: `w12q0`.
        activity_id: The chosen id; `None` leaves it to the SDK.
        maximum_attempts: As in a retry policy: 0 is no limit.
        start_to_close: The attempt's timeout, in seconds.
        schedule_to_close: The activity's timeout, in seconds.
        heartbeat: The heartbeat timeout, in seconds; `None` for none.
        retry_after: The retry interval, in seconds.
        in_thread: Whether the activity runs in a thread.
        resumes: Whether it continues behind its wait, and returns what it does there.
        is_voted: Whether several people decide.
        way: How the answer comes: by link, as an event of a provider that knows only an alias, or
            as a message of a queue.
        is_alias_late: Whether the alias is added after the provider was asked.
    """

    key: str
    activity_id: str | None
    maximum_attempts: int
    start_to_close: float
    schedule_to_close: float
    heartbeat: float | None
    retry_after: float
    in_thread: bool
    resumes: bool = False
    is_voted: bool = False
    way: Way = "link"
    is_alias_late: bool = False


@dataclass(frozen=True)
class Script:
    """The script of one workflow.

    Attributes:
        number: Its number.
        mode: Its mode, of `MODES`.
        questions: Its questions.
        at_once: Whether it asks them concurrently.
        awaits_cancellation: Whether a cancellation waits for the sender's report.
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

    @property
    def is_voted(self) -> bool:
        """Whether people decide."""
        return any(question.is_voted for question in self.questions)

    @property
    def way(self) -> Way:
        """How answers come."""
        return self.questions[0].way


@dataclass(frozen=True)
class Received:
    """How a question ended for the workflow.

    Attributes:
        key: The question.
        how: `completed`, `failed`, `canceled` or `timed out`.
        text: The result or failure, as text with the answer's value.
    """

    key: str
    how: str
    text: str
