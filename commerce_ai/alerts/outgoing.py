"""Requests that leave the install for an address that a person typed: to the public internet only.

A name is resolved once, every address of it is checked, and the connection goes to one of the checked addresses: a
name that answers otherwise a second later (DNS rebinding) changes nothing. Redirects are not followed.
`ALERTS_ALLOW_PRIVATE` lifts the check for installs whose receivers stand in their own network.
"""

from __future__ import annotations

import contextvars
import http.client
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.translation import gettext as say

LONGEST_S = 15.0  # of a whole request, however slowly the other side speaks
_MOST_BYTES = 4096  # of an answer: only its status counts
_IPv4_IN_IPv6 = [ipaddress.ip_network(each) for each in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32")]

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Refused(ValueError):
    """An address that nothing is sent to; the message says why, in words for a person."""


@dataclass(frozen=True)
class Answer:
    status: int
    retry_after_s: float | None


def check(url: str) -> tuple[str, str, int, str]:
    """Scheme, host, port and path with query of an address that may be asked. Resolves nothing. Raises Refused."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise Refused(say("This is no address.")) from None
    if parts.scheme != "https" and not (parts.scheme == "http" and settings.ALERTS_ALLOW_PRIVATE):
        raise Refused(say("The address must begin with https://."))
    if not host or parts.username is not None or any(ord(each) <= 32 or ord(each) == 127 for each in url):
        raise Refused(say("An address without user, password or blanks, as https://example.com/hook."))
    try:
        host = host.encode("idna").decode() if not _literal(host) else host
    except UnicodeError:
        raise Refused(say("This is no address.")) from None
    if literal := _literal(host):
        _check_address(literal)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not path.isascii():
        raise Refused(say("The path of the address must be written in ASCII."))
    return parts.scheme, host, port or (443 if parts.scheme == "https" else 80), path


def post(url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
    """Send `body`; what was answered. Raises Refused, or OSError and HTTPException where nothing was."""
    scheme, host, port, path = check(url)
    with guarded():
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)  # checked by the guard
    connection = _Pinned(host, port, found, tls=scheme == "https")
    timer = threading.Timer(LONGEST_S, connection.cut)
    timer.daemon = True
    timer.start()
    try:
        connection.request("POST", path, body, dict(headers))
        answer = connection.getresponse()
        answer.read(_MOST_BYTES)
        return Answer(answer.status, _seconds(answer.headers.get("Retry-After")))
    finally:
        timer.cancel()
        connection.close()


@contextmanager
def guarded() -> Iterator[list[str]]:
    """Within it, no name resolves to an address that is not public: libraries that connect by themselves ask here as
    well, for redirects too, and in threads that they start with this context. Gives why something was refused, for
    where a library swallows it."""
    global _resolve
    with _installing:
        if socket.getaddrinfo is not _checked_getaddrinfo:
            _resolve, socket.getaddrinfo = socket.getaddrinfo, _checked_getaddrinfo
    refused: list[str] = []
    token = _guarding.set(refused)
    try:
        yield refused
    finally:
        _guarding.reset(token)


class _Pinned(http.client.HTTPConnection):
    """To the addresses that were checked, one after another; certificate and Host are those of the name."""

    def __init__(self, host: str, port: int, found: list[Any], *, tls: bool) -> None:
        super().__init__(host, port, timeout=LONGEST_S)
        self.default_port = 443 if tls else 80
        self._found, self._tls, self._is_cut = found, tls, False

    def connect(self) -> None:
        for place, (family, kind, protocol, _name, address) in enumerate(self._found, start=1):
            self.sock = socket.socket(family, kind, protocol)
            self.sock.settimeout(self.timeout)
            try:
                self.sock.connect(address)
                break
            except OSError:
                self.sock.close()
                if place == len(self._found) or self._is_cut:
                    raise
        if self._tls:
            self.sock = ssl.create_default_context().wrap_socket(self.sock, server_hostname=self.host)
        if self._is_cut:  # while there was no socket that could be shut
            raise TimeoutError("it took too long to connect")

    def cut(self) -> None:
        """End what takes too long, from another thread: at once, or before the next step."""
        self._is_cut = True
        if (sock := self.sock) is not None:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


_guarding: contextvars.ContextVar[list[str] | None] = contextvars.ContextVar("guarding", default=None)
_installing = threading.Lock()
_resolve: Any = socket.getaddrinfo


def _checked_getaddrinfo(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
    found = _resolve(host, port, *args, **kwargs)
    if (refused := _guarding.get()) is not None:
        try:
            for *_, address in found:
                _check_address(ipaddress.ip_address(str(address[0]).partition("%")[0]))
        except Refused as error:
            refused.append(str(error))
            raise
    return found


def _check_address(address: Address) -> None:
    if settings.ALERTS_ALLOW_PRIVATE:
        return
    if isinstance(address, ipaddress.IPv6Address):
        address = address.ipv4_mapped or address
        if any(address in network for network in _IPv4_IN_IPv6):
            raise Refused(say("The address leads into a private network."))
    if not address.is_global or address.is_multicast or address.is_reserved:
        raise Refused(say("The address leads into a private network."))


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None


def _seconds(said: str | None) -> float | None:
    return float(said) if said and said.isdecimal() and len(said) < 7 else None
