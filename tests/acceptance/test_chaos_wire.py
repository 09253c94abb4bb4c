"""The wire of `make chaos` leaves nothing behind."""

import asyncio

from chaos.wire import Wire
from ringback.app.web import bound_socket


async def test_connections_end_with_the_wire() -> None:
    """The end of the loop would cancel them, and print a traceback for each."""

    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readexactly(1))
        await reader.read()
        writer.close()

    before = asyncio.all_tasks()
    there = await asyncio.start_server(reply, "127.0.0.1", 0)
    listening = bound_socket("127.0.0.1", 0)
    async with Wire("127.0.0.1", there.sockets[0].getsockname()[1]).laid(listening):
        back, to = await asyncio.open_connection("127.0.0.1", listening.getsockname()[1])
        to.write(b"1")
        assert await back.readexactly(1) == b"1"

    of_the_wire = {task for task in asyncio.all_tasks() - before if "Wire" in repr(task)}
    assert of_the_wire == set()
    to.close()
    there.close()
