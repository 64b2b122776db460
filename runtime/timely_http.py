"""HTTP exchanges that end by a deadline, however slowly the server goes on.

The timeout of a socket begins anew with each byte. Here every wait, for the connection, for the
handshake, to send, or to read a line or a body, gets what is left of one time for all of them.
Only the resolution of a name cannot be cut short.
"""

import io
import socket
import time
import urllib.request
from functools import partial
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from typing import Any, cast


class Deadline:
    """When an exchange has to be over."""

    def __init__(self, seconds: float) -> None:
        self._at = time.monotonic() + seconds

    def left(self) -> float:
        """How many seconds there are; raises `TimeoutError` when there are none."""
        seconds = self._at - time.monotonic()
        if seconds <= 0:
            raise TimeoutError
        return seconds


class _Incoming(io.RawIOBase):
    """What a socket receives in time."""

    def __init__(self, deadline: Deadline, sock: socket.socket, raw: io.RawIOBase) -> None:
        self._deadline = deadline
        self._sock = sock
        self._raw = raw

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(self._deadline.left())
        received: int | None = cast("Any", self._raw).readinto(buffer)
        return received

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(HTTPResponse):
    def __init__(self, deadline: Deadline, sock: socket.socket, *args: Any, **more: Any) -> None:
        super().__init__(sock, *args, **more)
        self.fp = io.BufferedReader(_Incoming(deadline, sock, self.fp.detach()))


class _Connection(HTTPConnection):
    def __init__(self, deadline: Deadline, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._deadline = deadline
        self._create_connection = self._connected
        self.response_class = cast("type[HTTPResponse]", partial(_Response, deadline))

    def _connected(self, address: tuple[str, int], *_: object) -> socket.socket:
        """Connect to one of the addresses of a host, and leave the rest of the time to it."""
        problem: OSError = OSError(f"{address[0]} has no address")
        for family, kind, protocol, _name, place in socket.getaddrinfo(
            *address, type=socket.SOCK_STREAM
        ):
            sock = socket.socket(family, kind, protocol)
            try:
                sock.settimeout(self._deadline.left())
                sock.connect(place)
                sock.settimeout(self._deadline.left())
            except OSError as error:
                sock.close()
                problem = error
            else:
                return sock
        raise problem

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        cast("socket.socket", self.sock).settimeout(self._deadline.left())
        super().send(data)


class _TlsConnection(_Connection, HTTPSConnection):
    pass


class TimelyHandler(urllib.request.AbstractHTTPHandler):
    """Opens http and https, redirects included, until a deadline."""

    def __init__(self, deadline: Deadline) -> None:
        super().__init__()
        self._deadline = deadline

    def http_open(self, asked: urllib.request.Request) -> HTTPResponse:
        """Send a request by http."""
        return self.do_open(partial(_Connection, self._deadline), asked)

    def https_open(self, asked: urllib.request.Request) -> HTTPResponse:
        """Send a request by https."""
        return self.do_open(partial(_TlsConnection, self._deadline), asked)

    http_request = https_request = urllib.request.AbstractHTTPHandler.do_request_
