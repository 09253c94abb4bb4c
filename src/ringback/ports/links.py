"""Links in the store; what `ringback.ports.store` says of its methods holds here too."""

from typing import Protocol

from ringback.domain.callback import Callback
from ringback.domain.ids import CallbackId


class Links(Protocol):
    """What revoking links needs."""

    async def revoke(self, callback_id: CallbackId, *, by: str | None = None) -> Callback | None:
        """Let none of the links that a callback has so far be good any more.

        The event names whose API key asked for it, `by`, if one did.

        Return the callback as it stands then, with a new serial for new links; `None` if there is
        none. It can be done in every state: a link also tells how a callback ended.
        """
        ...

    async def record_link(self, callback_id: CallbackId, facts: dict[str, object]) -> None:
        """Keep in the trail of a callback that a link to it was made; nothing if there is none."""
        ...
