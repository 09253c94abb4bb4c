"""A callback moves only as its table allows."""

from dataclasses import replace
from datetime import timedelta

import pytest

from ringback.domain.callback import MOVES, Callback, State
from ringback.domain.errors import IllegalMoveError
from ringback.domain.outcome import Canceled, Failed, Outcome
from tests import factories


@pytest.fixture
async def callback() -> Callback:
    return await factories.opened(factories.request())


LEGAL = {
    ("open", "accepted"),
    ("open", "expired"),
    ("accepted", "applied"),
    ("accepted", "superseded"),
    ("accepted", "parked"),
    ("parked", "accepted"),
    ("parked", "applied"),
    ("parked", "superseded"),
}


@pytest.mark.parametrize("wanted", list(State))
@pytest.mark.parametrize("state", list(State))
def test_only_moves_in_the_table_are_allowed(
    callback: Callback, state: State, wanted: State
) -> None:
    here = replace(callback, state=state)

    if (state.value, wanted.value) in LEGAL:
        assert here.move(wanted).state is wanted
    else:
        with pytest.raises(IllegalMoveError, match=f"from {state.value} to {wanted.value}"):
            here.move(wanted)


def test_an_activity_without_a_workflow_is_standalone() -> None:
    in_a_workflow = factories.activity_ref(workflow_id="order-7")

    assert not in_a_workflow.is_standalone
    assert replace(in_a_workflow, workflow_id="").is_standalone


@pytest.mark.parametrize(
    ("deadline", "expected"),
    [(timedelta(seconds=5), Canceled), (timedelta(seconds=3), Failed)],
    ids=["cancellation is due first", "deadline is first"],
)
def test_default_answer_is_the_one_that_is_due_first(
    callback: Callback, deadline: timedelta, expected: type[Outcome]
) -> None:
    here = replace(
        callback,
        cancel_requested_at=callback.opened_at,
        own_deadline_at=callback.opened_at + deadline,
        options=replace(callback.options, cancel_within=timedelta(seconds=4)),
    )

    assert isinstance(here.default_answer, expected)


def test_every_state_is_in_the_table() -> None:
    assert set(MOVES) == set(State)
