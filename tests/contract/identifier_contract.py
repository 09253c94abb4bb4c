"""The contract of `Identifier`: an attempt is identified by its ids and its own task token."""

from dataclasses import replace
from datetime import timedelta

import pytest

from ringback.domain.callback import Callback
from ringback.domain.errors import ActivityGoneError, MalformedRequestError
from ringback.ports.activities import AttemptRef, Identifier
from tests.contract.activities.env import RETRIED, ActivityEnv, Plan

SOON = timedelta(seconds=1)


def named(callback: Callback) -> AttemptRef:
    """Return the ids and the task token with which a worker names its attempt."""
    assert callback.task_token is not None, "an attempt has one"
    ref = callback.ref
    return AttemptRef(
        ref.namespace,
        ref.workflow_id,
        ref.run_id,
        ref.activity_id,
        callback.attempt,
        callback.task_token,
    )


class IdentifierContract:
    """Runs on every `Identifier`; its module defines the fixtures `env` and `identifier`."""

    async def test_running_attempt_is_identified(
        self, env: ActivityEnv, identifier: Identifier
    ) -> None:
        callback = (await env.start(Plan())).callback

        found = await identifier.identify(named(callback))

        assert (found.ref, found.started_at) == (callback.ref, callback.attempt_started_at)

    async def test_task_token_of_another_run_is_rejected(
        self, env: ActivityEnv, identifier: Identifier
    ) -> None:
        callback, other = (await env.start(Plan())).callback, (await env.start(Plan())).callback

        with pytest.raises(MalformedRequestError, match="task token"):
            await identifier.identify(replace(named(callback), task_token=named(other).task_token))

    async def test_task_token_of_another_attempt_is_rejected(
        self, env: ActivityEnv, identifier: Identifier
    ) -> None:
        run = await env.start(Plan(stays_in_worker=True, back_off=SOON))
        first = named(run.callback)
        await run.end_in_worker(RETRIED)
        second = named(await run.next_attempt())

        with pytest.raises(MalformedRequestError, match="task token"):
            await identifier.identify(replace(second, task_token=first.task_token))
        assert (await identifier.identify(second)).ref == run.callback.ref

    async def test_earlier_attempt_is_gone(self, env: ActivityEnv, identifier: Identifier) -> None:
        run = await env.start(Plan(stays_in_worker=True, back_off=SOON))
        first = named(run.callback)
        await run.end_in_worker(RETRIED)
        await run.next_attempt()

        with pytest.raises(ActivityGoneError):
            await identifier.identify(first)

    async def test_forged_token_of_ids_is_rejected(
        self, env: ActivityEnv, identifier: Identifier
    ) -> None:
        callback = (await env.start(Plan())).callback
        ids = f"{callback.ref.run_id}{callback.ref.workflow_id}{callback.ref.activity_id}".encode()

        with pytest.raises(MalformedRequestError, match="task token"):
            await identifier.identify(replace(named(callback), task_token=ids))
