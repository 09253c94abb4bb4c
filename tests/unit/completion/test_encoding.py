"""What is told to an activity is checked before it goes."""

from typing import Any

import pytest
from temporalio.converter import DataConverter

from ringback.completion.encoding import to_failure
from ringback.completion.refs import ActivityRef, to_execution
from ringback.completion.target import Addressed


@pytest.mark.parametrize("error", ["the bank said no", ValueError])
async def test_what_is_no_exception_is_no_failure(error: Any) -> None:
    addressed = Addressed(to_execution(ActivityRef("1", "workflow"), "default"))

    with pytest.raises(TypeError, match="an activity fails with an exception"):
        await to_failure(DataConverter.default, error, addressed)
