"""A result whose check is costly does not delay other answers."""

import asyncio
import json
import time

from temporalio.converter import DataConverter

from ringback.domain.api_key import Role
from ringback.result_schema.generate import generate_schema
from tests.unit.gateway.house import House
from tests.unit.result_schema.test_limits import Term, binary, twice

OTHERS = 64
ENDLESS = 3
"""More than there are processes that check results: the last waits for the first."""


async def opened(house: House, schema: object) -> str:
    reply = await house.open(house.scheduled(), result_schema=schema)
    assert reply.status_code == 200, reply.text
    return str(reply.json()["id"])


async def complete(house: House, callback: str, body: bytes) -> tuple[int, str, float]:
    headers = {"content-type": "application/json"}
    reply = await house.call(
        Role.OPERATOR, "POST", f"/v1/callbacks/{callback}/complete", content=body, headers=headers
    )
    return reply.status_code, reply.text, time.perf_counter()


async def test_64_senders_are_served_while_costly_results_are_rejected(house: House) -> None:
    union = await opened(house, json.loads(generate_schema(Term, DataConverter.default) or ""))
    endless = await opened(house, twice("anyOf", 40))
    others = [await opened(house, {"type": "integer"}) for _ in range(OTHERS)]

    async with asyncio.TaskGroup() as group:
        explained = group.create_task(complete(house, union, binary(64)))
        rejected = [group.create_task(complete(house, endless, b'"x"')) for _ in range(ENDLESS)]
        served = [group.create_task(complete(house, one, b"1")) for one in others]

    assert explained.result()[0] == 422
    assert "/left/left/left" in explained.result()[1]
    assert {one.result()[0] for one in rejected} == {422}
    assert "takes too long to check" in rejected[0].result()[1]
    assert {one.result()[0] for one in served} == {202}
    assert max(one.result()[2] for one in served) < max(one.result()[2] for one in rejected)
