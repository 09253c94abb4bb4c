"""Numbers beyond the range of a float are refused."""

from typing import Any

import pytest

from ringback.domain.api_key import Role
from tests.unit.gateway.house import House


@pytest.mark.parametrize(
    ("role", "path", "body"),
    [
        (Role.OPERATOR, "/v1/callbacks/cb_1/complete", b"1e400"),
        (Role.OPERATOR, "/v1/callbacks/cb_1/fail", b'{"message": "no", "details": [1e400]}'),
        (Role.OPERATOR, "/v1/callbacks/cb_1/cancel", b"1e400"),
        (Role.OPERATOR, "/v1/callbacks/cb_1/heartbeat", b"1e400"),
        (
            Role.OPERATOR,
            "/v1/answers",
            b'{"answers": [{"callback": "cb_1", "verb": "complete", "body": 1e400}]}',
        ),
        (
            Role.WORKER,
            "/v1/callbacks",
            b'{"options": {"on_deadline": {"verb": "complete", "body": 1e400}}}',
        ),
    ],
)
async def test_number_out_of_range_returns_400(
    house: House, role: Role, path: str, body: bytes
) -> None:
    headers: dict[str, Any] = {"content-type": "application/json"}
    reply = await house.call(role, "POST", path, content=body, headers=headers)

    assert reply.status_code == 400
    assert "a number is out of range" in reply.json()["detail"]
