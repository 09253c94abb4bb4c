"""The fields of a form are read in their order, within limits."""

from collections.abc import AsyncIterator

import pytest

from ringback.gateway.encoded_bodies import FORM
from tests.unit.gateway.house import House, opened_house
from tests.unit.gateway.identity.browser import FROM_OUR_PAGE


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with opened_house() as house:
        yield house


@pytest.mark.parametrize(
    ("body", "media_type", "status"),
    [
        (b"", FORM, 303),
        (b"a=1&a=2&b=&c=%C3%B6", f"{FORM}; charset=utf-8", 303),
        (b"a=1", "multipart/form-data; boundary=x", 415),
        (b"a=1", "application/json", 415),
        (b"a=%ff", FORM, 400),
        (b"a=\xff", FORM, 400),
        (b"a" * 5000, FORM, 413),
    ],
)
async def test_form_is_read_or_refused(
    house: House, body: bytes, media_type: str, status: int
) -> None:
    headers = {**FROM_OUR_PAGE, "content-type": media_type}

    reply = await house.http.post("/sign-out", content=body, headers=headers)

    assert reply.status_code == status
