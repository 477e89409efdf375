"""The address on which the server listens."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
from dataclasses import dataclass

from flarchitect_rest.serve.errors import ServeError, WrongArgumentError

__all__ = ["Address", "bind"]

_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")

_UNKNOWN_ADDRESS = frozenset({errno.EADDRNOTAVAIL})
_DENIED = frozenset({errno.EACCES, errno.EPERM})


@dataclass(frozen=True, slots=True)
class Address:
    """An address as the user wrote it, with the port that was found when none was asked for.

    Attributes:
        ip: The address that `host` stands for.
    """

    host: str
    port: int
    ip: str

    @property
    def is_local(self) -> bool:
        """Whether only this machine reaches it."""
        return ipaddress.ip_address(self.ip.partition("%")[0]).is_loopback

    @property
    def url(self) -> str:
        """URL of the address without a slash at its end; an address for all interfaces becomes that of this machine."""
        ip = ipaddress.ip_address(self.ip.partition("%")[0])
        host = ("127.0.0.1" if ip.version == 4 else "::1") if ip.is_unspecified else self.host
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    def trusted_hosts(self) -> tuple[str, ...]:
        """List the names by which a local server may be asked for; none, which is any name, when it is not local.

        A web page may make its own name lead to this machine, and would then read the database in the browser of
        whoever looks at the page.
        """
        if not self.is_local:
            return ()
        return (*_LOOPBACK_NAMES, self.host, self.ip)


def bind(host: str, port: int) -> tuple[socket.socket, Address]:
    """Take a port; nobody is let in before the server listens.

    Args:
        host: Name or address of this machine.
        port: 0 takes a free one.

    Raises:
        WrongArgumentError: The host is not known, or belongs to another machine.
        ServeError: The port is taken, or needs a permission.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError) as error:
        raise WrongArgumentError(
            f"The host `{host}` cannot be found. Use --host 127.0.0.1 for this machine only, or 0.0.0.0 for all."
        ) from error
    family, kind, protocol, _, place = min(found, key=lambda item: item[0] != socket.AF_INET)
    listener = socket.socket(family, kind, protocol)
    try:
        if os.name == "posix":
            # Elsewhere this option lets two servers share a port.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(place)
    except OSError as error:
        listener.close()
        raise _refusal(error, host, port) from error
    ip, taken = listener.getsockname()[:2]
    return listener, Address(host, taken, ip)


def _refusal(error: OSError, host: str, port: int) -> ServeError:
    if error.errno in _UNKNOWN_ADDRESS:
        return WrongArgumentError(
            f"`{host}` is not an address of this machine. Use --host 127.0.0.1 for this machine only, or 0.0.0.0."
        )
    if error.errno in _DENIED:
        return ServeError(f"No permission to listen on port {port}. Choose one from 1024 on, such as --port 5000.")
    other = port + 1 if port < 65535 else port - 1
    return ServeError(f"Port {port} on {host} is taken. Stop what uses it, or choose another, such as --port {other}.")
