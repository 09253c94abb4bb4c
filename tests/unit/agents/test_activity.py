"""`approvals` checks its options when the worker starts, and `ask` where it runs."""

from datetime import timedelta
from typing import Any

import pytest

from ringback.agents import approvals, ask
from ringback.domain.errors import NotWiredError


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"on_reject": "fail"}, TypeError),
        ({"follow_reset": True}, TypeError),
        ({"deadline": timedelta(hours=1)}, TypeError),
        ({"assignees": ["ada"]}, ValueError),
        ({"assignees": ["user:ada"], "approvals": 2}, ValueError),
    ],
    ids=str,
)
def test_option_that_fits_no_question_is_an_error(
    options: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        approvals(**options)


async def test_ask_outside_a_workflow_says_where_it_runs() -> None:
    with pytest.raises(NotWiredError, match="runs in workflow code"):
        await ask("refund", {}, within=timedelta(hours=1))
