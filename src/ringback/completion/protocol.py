"""What the patterns need of a completion client."""

from datetime import timedelta
from typing import Any, Protocol

from ringback.completion.refs import Target


class CompletionClient(Protocol):
    """Tells an activity how it ends, and that it lives.

    `AsyncCompletionClient` is the real one, `ringback.testing.FakeCompletionClient` the one for
    tests. All methods raise `ActivityNotFoundError` once the activity has ended.
    """

    async def complete(self, activity: Target, result: Any = ..., /) -> None: ...

    async def fail(self, activity: Target, error: BaseException, /) -> None: ...

    async def heartbeat(
        self, activity: Target, /, *details: Any, rpc_timeout: timedelta | None = None
    ) -> None: ...

    async def report_cancellation(self, activity: Target, /, *details: Any) -> None: ...
