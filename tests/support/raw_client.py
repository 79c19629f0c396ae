"""A websocket client that sends what it likes and reads only when it is told to."""

import asyncio
import base64
import os
import socket
import struct
from collections.abc import Mapping


def frame(payload: bytes, opcode: int = 1) -> bytes:
    """One whole message, masked with zeros."""
    size = len(payload)
    if size < 126:
        length = bytes([0x80 | size])
    elif size < 65_536:
        length = bytes([0x80 | 126]) + struct.pack(">H", size)
    else:
        length = bytes([0x80 | 127]) + struct.pack(">Q", size)
    return bytes([0x80 | opcode]) + length + bytes(4) + payload


class RawClient:
    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.loop = asyncio.get_running_loop()

    async def send(self, data: bytes) -> None:
        await self.loop.sock_sendall(self.connection, data)

    async def flood(self, payload: bytes, size: int) -> int:
        """Send `payload` again and again, `size` bytes or until it is cut off."""
        chunk = frame(payload) * (1 + 60_000 // len(payload))
        sent = 0
        try:
            while sent < size:
                await self.send(chunk)
                sent += len(chunk)
        except ConnectionError:
            pass
        return sent

    async def read(self, ending: bytes | None = None) -> bytes:
        """Read up to `ending`, or to the end of the connection."""
        data = b""
        try:
            while more := await self.loop.sock_recv(self.connection, 2**20):
                data += more
                if ending and data.endswith(ending):
                    break
        except ConnectionError:
            pass
        return data

    def close(self) -> None:
        self.connection.close()


async def raw_client(
    address: str,
    path: str,
    headers: Mapping[str, str],
    *,
    stalled: bool = False,
) -> RawClient:
    """Connect and shake hands; a `stalled` one has hardly a buffer of its own."""
    connection = socket.socket()
    connection.setblocking(False)
    if stalled:  # A small segment keeps the server's buffer in the kernel small too.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
    client = RawClient(connection)
    host, _, port = address.rpartition(":")
    await client.loop.sock_connect(connection, (host, int(port)))
    lines = {
        "Host": address,
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
        **headers,
    }
    request = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    await client.send(f"GET {path} HTTP/1.1\r\n{request}\r\n".encode())
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        answer += await client.loop.sock_recv(connection, 1)
    assert answer.startswith(b"HTTP/1.1 101 "), answer
    return client
