"""A worker's runtime for attempts that `ActivityEnvironment` of the SDK makes up."""

from dataclasses import replace
from datetime import datetime

from temporalio import activity

from ringback.domain.options import CallbackOptions
from ringback.domain.outcome import Completed, Failed
from ringback.testing.kit_activities import KitActivities
from ringback.worker.callback import Callback
from ringback.worker.runtime import Opened, WorkerRuntime, to_ref


class AnyAttempt:
    """Opens callbacks for activities that Temporal's fake learns about only then."""

    def __init__(
        self, runtime: WorkerRuntime, activities: KitActivities, scheduled_at: datetime
    ) -> None:
        """Let `activities` schedule them at `scheduled_at`, and open callbacks by `runtime`."""
        self._runtime = runtime
        self._scheduled_at = scheduled_at
        self._activities = activities
        self.loop = runtime.loop
        self.process_id = runtime.process_id
        self.mark_submitted = runtime.mark_submitted

    async def open(
        self, info: activity.Info, options: CallbackOptions, *, schema: object, is_inline: bool
    ) -> Opened:
        """Open the callback of an activity that Temporal's fake learns about only now."""
        # By default the SDK says 1970, and the link of such an activity has expired.
        info = replace(info, scheduled_time=self._scheduled_at)
        ref = to_ref(info)
        if self._activities.pending(ref) is None:
            self._activities.schedule(ref, start_to_close=None)
        info = replace(
            self._as_known(info),
            started_time=self._activities.started_at(ref),
            start_to_close_timeout=None,
            schedule_to_close_timeout=None,
        )
        return await self._runtime.open(info, options, schema=schema, is_inline=is_inline)

    async def report_poll(
        self,
        callback: Callback,
        info: activity.Info,
        *,
        answer: Completed | Failed | None = None,
        error: str | None = None,
    ) -> None:
        """Report as the attempt that Temporal's fake knows."""
        known = self._as_known(replace(info, scheduled_time=self._scheduled_at))
        await self._runtime.report_poll(callback, known, answer=answer, error=error)

    def _as_known(self, info: activity.Info) -> activity.Info:
        ref = to_ref(info)
        return replace(
            info,
            attempt=self._activities.attempt(ref),
            task_token=self._activities.task_token(ref),
        )
