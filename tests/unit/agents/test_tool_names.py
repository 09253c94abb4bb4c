"""A tool that is misspelled would run without approval, so its name is checked."""

import pytest

from ringback.agents.tool_names import check_known, check_named


def test_no_named_tool_is_an_error() -> None:
    with pytest.raises(ValueError, match="name at least one tool"):
        check_named([])
    assert check_named(["refund", "refund"]) == {"refund"}


@pytest.mark.parametrize(
    ("known", "message"),
    [
        (["refund", "look"], "the agent has no tool refnud, which .* it has look, refund"),
        ([], "the agent has no tool refnud, refund, which .* it has none"),
    ],
    ids=["others", "none"],
)
def test_tool_that_the_agent_has_not_is_an_error(known: list[str], message: str) -> None:
    check_known(["refund"], ["refund", "look"])

    with pytest.raises(ValueError, match=message):
        check_known(["refund", "refnud"], known)
