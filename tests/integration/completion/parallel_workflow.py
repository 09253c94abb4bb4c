"""A workflow that asks many at once."""

import asyncio
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError


@workflow.defn
class AskMany:
    """Asks many at once, and returns each answer, or the type of the failure."""

    @workflow.run
    async def run(self, count: int) -> list[Any]:
        return await asyncio.gather(*(_ask(number) for number in range(count)))


async def _ask(number: int) -> Any:
    try:
        return await workflow.execute_activity(
            "ask", activity_id=str(number), start_to_close_timeout=timedelta(seconds=60)
        )
    except ActivityError as error:
        return error.cause.type if isinstance(error.cause, ApplicationError) else repr(error)
