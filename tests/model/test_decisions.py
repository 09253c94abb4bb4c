"""People decide: after every order of events, the votes are those of an independent model."""

import pytest
from hypothesis import settings

from tests.model.decisions import Decisions

pytestmark = [pytest.mark.hypothesis, pytest.mark.timeout(300)]
"""It takes seconds, unless it fails: then the example is made smaller."""

TestDecisions = Decisions.TestCase
TestDecisions.settings = settings(
    max_examples=50, stateful_step_count=30, derandomize=True, database=None
)
