"""Chat: people who press a button in a message, and private answers to them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol, Self

from ringback.domain.ids import CallbackId
from ringback.domain.policy import Voter

APPROVE: Final = "ringback_approve"
"""The action of the button that approves."""

REJECT: Final = "ringback_reject"
"""The action of the button that rejects."""

REASON: Final = "ringback_reason"
"""The form that asks for a reason, and its field."""


@dataclass(frozen=True, slots=True)
class ChatChoice:
    """What a button stands for.

    Attributes:
        callback_id: The callback.
        digest: The version of the subject that the message shows.
        approved: Whether it approves.
    """

    callback_id: CallbackId
    digest: str
    approved: bool

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Self:
        """Return the choice in plain JSON.

        Raises:
            ValueError: It is not a choice.
        """
        match plain:
            case {"callback": str(id_), "digest": str(digest), "approved": bool(approved)}:
                return cls(CallbackId(id_), digest, approved)
            case _:
                msg = "this is not a choice"
                raise ValueError(msg)

    def to_plain(self) -> dict[str, Any]:
        """Return the choice as plain JSON."""
        return {"callback": self.callback_id, "digest": self.digest, "approved": self.approved}


@dataclass(frozen=True, slots=True)
class Stranger:
    """An account that belongs to no known user.

    Attributes:
        why: Why, for the person who has it.
    """

    why: str


class Chat(Protocol):
    """A chat platform in which people vote."""

    async def identify(self, account: str, team: str) -> Voter | Stranger:
        """Return whose account this is, within a bounded time.

        `account` and `team` come from a request with a valid signature.
        """
        ...

    async def ask_reason(
        self, trigger: str, choice: ChatChoice, *, title: str, is_required: bool, reply_to: str
    ) -> str | None:
        """Open a form that asks for the reason of a vote; return why it cannot be opened.

        `trigger` is what the platform sent with the press of the button, and is valid for seconds.
        """
        ...

    async def reply_privately(self, reply_to: str, text: str) -> None:
        """Show `text` to the person who pressed the button, and to nobody else.

        `reply_to` is what the platform sent for that purpose. A failure is logged.
        """
        ...
