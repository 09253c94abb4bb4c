"""What opening over HTTP relies on: an attempt is found by its name and its own task token."""

from dataclasses import replace
from datetime import timedelta

import pytest

from ringback.domain.callback import Callback
from ringback.domain.errors import ActivityGoneError, MalformedRequestError
from ringback.ports.identifier import Identifier, Named
from tests.contract.activities.stage import RETRIED, Plan, Stage

SOON = timedelta(seconds=1)


def named(asked: Callback) -> Named:
    """Return an attempt as its worker names it."""
    assert asked.task_token is not None, "an attempt asked with it"
    ref = asked.ref
    return Named(
        ref.namespace,
        ref.workflow_id,
        ref.run_id,
        ref.activity_id,
        asked.attempt,
        asked.task_token,
    )


class IdentifierContract:
    """Every test here runs on every `Identifier`; `stage` and `identifier` come from its module."""

    async def test_an_attempt_is_found_by_its_name(
        self, stage: Stage, identifier: Identifier
    ) -> None:
        asked = (await stage.ask(Plan())).asked

        found = await identifier.identify(named(asked))

        assert (found.ref, found.started_at) == (asked.ref, asked.attempt_started_at)

    async def test_the_token_of_another_run_is_refused(
        self, stage: Stage, identifier: Identifier
    ) -> None:
        asked, other = (await stage.ask(Plan())).asked, (await stage.ask(Plan())).asked

        with pytest.raises(MalformedRequestError, match="task token"):
            await identifier.identify(replace(named(asked), task_token=named(other).task_token))

    async def test_the_token_of_another_attempt_is_refused(
        self, stage: Stage, identifier: Identifier
    ) -> None:
        scene = await stage.ask(Plan(stays_in_worker=True, back_off=SOON))
        first = named(scene.asked)
        await scene.end_in_worker(RETRIED)
        second = named(await scene.next_attempt())

        with pytest.raises(MalformedRequestError, match="task token"):
            await identifier.identify(replace(second, task_token=first.task_token))
        assert (await identifier.identify(second)).ref == scene.asked.ref

    async def test_an_attempt_before_the_one_that_runs_is_gone(
        self, stage: Stage, identifier: Identifier
    ) -> None:
        scene = await stage.ask(Plan(stays_in_worker=True, back_off=SOON))
        first = named(scene.asked)
        await scene.end_in_worker(RETRIED)
        await scene.next_attempt()

        with pytest.raises(ActivityGoneError):
            await identifier.identify(first)

    async def test_the_ids_alone_are_no_token(self, stage: Stage, identifier: Identifier) -> None:
        asked = (await stage.ask(Plan())).asked
        ids = f"{asked.ref.run_id}{asked.ref.workflow_id}{asked.ref.activity_id}".encode()

        with pytest.raises(MalformedRequestError, match="task token"):
            await identifier.identify(replace(named(asked), task_token=ids))
