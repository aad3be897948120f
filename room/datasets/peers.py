"""To whom a connection may be made while somebody's address is read. Pure.

It is asked of the peer's own address where the connection is made: whatever name led there, and
however often a server sent one on to another.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

#: IPv6 addresses that stand for one of IPv4 in their last 32 bits (RFC 6052).
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def network(text: str) -> Network | None:
    """Return an address or a network that room.yaml allows; None: it is a name."""
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def may_connect(host: str, allowed: Iterable[Network]) -> bool:
    """Say whether a peer is public, or one that is allowed. What is no IP address is neither."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    meant = _meant(address)
    if any(each in network for network in allowed for each in {address, meant}):
        return True
    return meant.is_global and not meant.is_multicast and not meant.is_reserved


def _meant(address: IPAddress) -> IPAddress:
    """Return the IPv4 address that one of IPv6 stands for, where it does."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    inside = address.ipv4_mapped or address.sixtofour
    if inside is None and address.teredo is not None:
        inside = address.teredo[1]
    if inside is None and (address in _NAT64 or int(address) >> 32 == 0):
        inside = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return inside or address
