"""Skip tests whose service is missing, or fail them in CI."""

import os
from typing import NoReturn

import pytest


def missing(service: str, how_to_start: str) -> NoReturn:
    """Skip this test; with `REQUIRE_SERVICES=1`, fail it."""
    message = f"{service} is missing; {how_to_start}"
    if os.environ.get("REQUIRE_SERVICES") == "1":
        pytest.fail(message)
    pytest.skip(message)
