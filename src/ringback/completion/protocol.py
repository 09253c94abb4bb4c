"""The methods of a completion client that the patterns use."""

from datetime import timedelta
from typing import Any, Protocol

from ringback.completion.refs import Target


class CompletionClient(Protocol):
    """Completes, fails, heartbeats or cancels an activity.

    Implemented by `AsyncCompletionClient`, and for tests by `ringback.testing`'s
    `FakeCompletionClient`. All methods raise `ActivityNotFoundError` once the activity has ended.
    """

    async def complete(self, activity: Target, result: Any = ..., /) -> None: ...

    async def fail(self, activity: Target, error: BaseException, /) -> None: ...

    async def heartbeat(
        self, activity: Target, /, *details: Any, rpc_timeout: timedelta | None = None
    ) -> None: ...

    async def report_cancellation(self, activity: Target, /, *details: Any) -> None: ...
