"""The task token of a named attempt must match it in every field."""

from dataclasses import replace
from typing import Any

import pytest

from ringback.domain.errors import MalformedRequestError
from ringback.ports.activities import AttemptRef
from ringback.temporal.identify import check_token
from tests.unit.temporal.test_token import NAMESPACE_ID, OF_A_WORKFLOW, number, text

MINE = AttemptRef("default", "order-7", "a-run", "1", 2, OF_A_WORKFLOW)
ALONE = AttemptRef(
    "default",
    "",
    "its-run",
    "mine",
    1,
    text(1, NAMESPACE_ID)
    + number(5, 1)
    + text(6, "mine")
    + b"\x72\x0f"
    + text(2, "mine")
    + text(3, "its-run"),
)


@pytest.mark.parametrize("named", [MINE, ALONE], ids=["of a workflow", "standalone"])
def test_own_token_is_read(named: AttemptRef) -> None:
    claim = check_token(named)

    assert claim.activity_id == named.activity_id


@pytest.mark.parametrize("named", [MINE, ALONE], ids=["of a workflow", "standalone"])
@pytest.mark.parametrize(
    "other",
    [{"workflow_id": "order"}, {"run_id": "run"}, {"activity_id": "2"}, {"attempt": 3}],
    ids=str,
)
def test_token_that_differs_in_one_field_is_rejected(
    named: AttemptRef, other: dict[str, Any]
) -> None:
    with pytest.raises(MalformedRequestError, match="not the task token"):
        check_token(replace(named, **other))


def test_bytes_that_contain_all_ids_are_not_a_token() -> None:
    with pytest.raises(MalformedRequestError, match="not a task token"):
        check_token(replace(MINE, task_token=b"1 a-run order-7"))
