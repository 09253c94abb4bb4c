"""What Ringback does while an activity waits."""

from datetime import datetime

from pydantic import BaseModel, Field


class HeartbeatOut(BaseModel):
    """The heartbeats of the latest attempt."""

    by: str = Field(description="sender or gateway.", examples=["sender"])
    timeout: float | None = Field(description="Its heartbeat timeout, in seconds.")
    heartbeat_received_at: datetime | None = Field(
        description="When the sender last sent a heartbeat."
    )
    heartbeat_sent_at: datetime | None = Field(
        description="When Ringback last sent one to Temporal."
    )
    heartbeat_due_at: datetime | None = Field(description="When Ringback sends the next one.")


class PollOut(BaseModel):
    """The polls of the sender by a worker."""

    every: float | None = Field(description="The interval, in seconds; null: only at the deadline.")
    due_at: datetime | None = Field(description="When Ringback requests the next one.")
    requested_at: datetime | None = Field(
        description="When the one was requested whose result is missing."
    )
    is_over: bool = Field(description="Whether no poll follows.")
