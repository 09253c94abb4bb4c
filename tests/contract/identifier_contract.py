"""What opening over HTTP relies on: an attempt is found by its name and its own task token."""

from dataclasses import replace
from datetime import timedelta

import pytest

from ringback.domain.callback import Callback
from ringback.domain.errors import ActivityGoneError, MalformedRequestError
from ringback.ports.activities import AttemptRef, Identifier
from tests.contract.activities.env import RETRIED, ActivityEnv, Plan

SOON = timedelta(seconds=1)


def named(callback: Callback) -> AttemptRef:
    """Return an attempt as its worker names it."""
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
    """Every test here runs on every `Identifier`; `env` and `identifier` come from its module."""

    async def test_an_attempt_is_found_by_its_name(
        self, env: ActivityEnv, identifier: Identifier
    ) -> None:
        callback = (await env.start(Plan())).callback

        found = await identifier.identify(named(callback))

        assert (found.ref, found.started_at) == (callback.ref, callback.attempt_started_at)

    async def test_the_token_of_another_run_is_refused(
        self, env: ActivityEnv, identifier: Identifier
    ) -> None:
        callback, other = (await env.start(Plan())).callback, (await env.start(Plan())).callback

        with pytest.raises(MalformedRequestError, match="task token"):
            await identifier.identify(replace(named(callback), task_token=named(other).task_token))

    async def test_the_token_of_another_attempt_is_refused(
        self, env: ActivityEnv, identifier: Identifier
    ) -> None:
        run = await env.start(Plan(stays_in_worker=True, back_off=SOON))
        first = named(run.callback)
        await run.end_in_worker(RETRIED)
        second = named(await run.next_attempt())

        with pytest.raises(MalformedRequestError, match="task token"):
            await identifier.identify(replace(second, task_token=first.task_token))
        assert (await identifier.identify(second)).ref == run.callback.ref

    async def test_an_attempt_before_the_one_that_runs_is_gone(
        self, env: ActivityEnv, identifier: Identifier
    ) -> None:
        run = await env.start(Plan(stays_in_worker=True, back_off=SOON))
        first = named(run.callback)
        await run.end_in_worker(RETRIED)
        await run.next_attempt()

        with pytest.raises(ActivityGoneError):
            await identifier.identify(first)

    async def test_the_ids_alone_are_no_token(
        self, env: ActivityEnv, identifier: Identifier
    ) -> None:
        callback = (await env.start(Plan())).callback
        ids = f"{callback.ref.run_id}{callback.ref.workflow_id}{callback.ref.activity_id}".encode()

        with pytest.raises(MalformedRequestError, match="task token"):
            await identifier.identify(replace(named(callback), task_token=ids))
