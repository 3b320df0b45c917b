"""Passes TCP connections on to another port, each byte some milliseconds later: a network between two processes here.

python bench/delay.py PORT MILLISECONDS     listens on a free port of 127.0.0.1, which it prints
"""

from __future__ import annotations

import asyncio
import sys


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float) -> None:
    """Copy until the end; what is read is on its way while more is read, so the delay takes no throughput."""
    clock = asyncio.get_running_loop().time
    under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def deliver() -> None:
        while True:
            due, block = await under_way.get()
            await asyncio.sleep(max(0.0, due - clock()))
            if not block:
                writer.close()
                return
            writer.write(block)

    delivering = asyncio.create_task(deliver())
    block = b"-"
    while block:
        block = await reader.read(1 << 16)
        under_way.put_nowait((clock() + delay, block))
    await delivering


async def main(port: int, delay: float) -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(pump(reader, back, delay), pump(there, writer, delay), return_exceptions=True)

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main(int(sys.argv[1]), float(sys.argv[2]) / 1000))
