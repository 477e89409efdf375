"""Addresses of clients, as they are counted."""

from __future__ import annotations

import ipaddress

__all__ = ["network_of"]


def network_of(address: str | None) -> str:
    """Give what is counted as one address: of IPv6 the network of 64 bits, which is what one client has."""
    try:
        parsed = ipaddress.ip_address(address or "")
    except ValueError:
        return address or ""
    return str(parsed) if parsed.version == 4 else str(ipaddress.ip_network((parsed, 64), strict=False))
