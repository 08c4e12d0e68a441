"""A name server on loopback that knows where the XMPP servers of a test are, and nothing else."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

TTL = 300
LARGEST = 65535
SERVICE = "_xmpp-server._tcp."


class Names:
    """Which domain is served where (RFC 6120 section 3.2.1).

    Attributes:
        port: UDP, on 127.0.0.1.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self._records: dict[dns.name.Name, str] = {}

    def publish(self, domain: str, port: int) -> None:
        """Let servers of other domains find `domain`, and its proxy, at this port of 127.0.0.1."""
        for each in (domain, f"proxy.{domain}"):
            # ejabberd asks the system for the address of what it finds here, and every system knows this one.
            self._records[dns.name.from_text(SERVICE + each)] = f"0 0 {port} localhost."

    def answer(self, query: dns.message.Message) -> dns.message.Message:
        """What is known about what is asked."""
        response = dns.message.make_response(query)
        response.flags |= dns.flags.AA | dns.flags.RA
        (question,) = query.question
        record = self._records.get(question.name)
        if record is None:
            response.set_rcode(dns.rcode.NXDOMAIN)
        elif question.rdtype is dns.rdatatype.SRV:
            response.answer.append(dns.rrset.from_text(question.name, TTL, "IN", "SRV", record))
        return response


@contextlib.contextmanager
def names() -> Iterator[Names]:
    """Run a name server."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        known = Names(server.getsockname()[1])
        serving = threading.Thread(target=_serve, args=(server, known))
        serving.start()
        try:
            yield known
        finally:
            # An empty datagram to itself is what ends it.
            server.sendto(b"", server.getsockname())
            serving.join()


def _serve(server: socket.socket, known: Names) -> None:
    while True:
        data, client = server.recvfrom(LARGEST)
        if not data:
            return
        with contextlib.suppress(dns.exception.DNSException):
            server.sendto(known.answer(dns.message.from_wire(data)).to_wire(), client)
