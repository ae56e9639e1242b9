"""Messages of base/wire.h, as pprofd-fcgi sends them: for what no HTTP request asks for just so.

    with wire.Connection(service, "collector") as c:
        c.send("ARM_ASK", "<HBQ", 0, wire.BLOCK, 1)
        name, body, fds = c.recv()
"""
import os
import re
import socket
import struct

from . import service

MAGIC = 0x31445050
BODY_MAX = 61440

# enum reading_kind
HEAP, BLOCK, MUTEX, GOROUTINE = 0, 1, 2, 3


def _types():
    """The numbers of base/wire.h: those of its enum, in its order."""
    text = (service.SOURCE / "base" / "wire.h").read_text()
    body = re.search(r"enum wire_type \{(.*?)\};", text, re.S)[1]
    body = re.sub(r"/\*.*?\*/", "", body, flags=re.S)
    return {name: i for i, name in enumerate(re.findall(r"WIRE_(\w+)", body))}


TYPES = _types()
NAMES = {number: name for name, number in TYPES.items()}


class Connection:
    """A connection of fcgi's user to a process of the service."""

    def __init__(self, of, who, user="fcgi", timeout=60):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(timeout)
        # The kernel tells the listener who we are at this moment.
        os.setegid(service.USERS[user])
        os.seteuid(service.USERS[user])
        try:
            self.socket.connect(str(of.run / f"{who}.sock"))
        finally:
            os.seteuid(0)
            os.setegid(0)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.socket.close()

    def close(self):
        self.socket.close()

    def send(self, name, form="", *values):
        body = struct.pack(form, *values) if form else b""
        self.socket.send(struct.pack("<IHHI", MAGIC, TYPES[name], 0, len(body)) + body)

    def recv(self):
        """Name, body and descriptors of the next message; name None: the other side has closed."""
        data, fds, _, _ = socket.recv_fds(self.socket, BODY_MAX + 64, 4)
        if not data:
            return None, b"", []
        magic, number, _, n = struct.unpack_from("<IHHI", data)
        if magic != MAGIC or n != len(data) - 12:
            raise AssertionError(f"no message: {data[:20]!r}")
        return NAMES[number], data[12:], fds

    def until(self, *names):
        """The next message of one of these names; what comes before is left out."""
        while True:
            name, body, fds = self.recv()
            if name is None or name in names:
                return name, body, fds
            for fd in fds:
                os.close(fd)


def refusal(body):
    """Status and text of a REFUSED."""
    status, _, n = struct.unpack_from("<HHH", body)
    return status, body[6:6 + n].decode()


def memory(collector, node=0):
    """The number of a node's memory, as the symbolizer knows it while this connection stands."""
    collector.send("MEMORY_ASK", "<H", node)
    name, body, _ = collector.until("MEMORY_IS", "REFUSED")
    if name != "MEMORY_IS":
        raise AssertionError(f"no memory: {refusal(body) if name else 'closed'}")
    return struct.unpack_from("<Q", body)[0]


def ask(symbolizer, number, kind, ticket=1, duration_ms=0):
    symbolizer.send("READ_ASK", "<QIBI", number, ticket, kind, duration_ms)


def reading(symbolizer):
    """Ticket, status, text and file (None: none) of the next reading."""
    name, body, fds = symbolizer.until("READING")
    if name is None:
        raise AssertionError("pprofd-symbolizer has closed the connection")
    ticket, status, n = struct.unpack_from("<IHH", body)
    return ticket, status, body[8:8 + n].decode(), fds[0] if fds else None
