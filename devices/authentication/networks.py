"""Who a caller is by address: inside or outside the firewall, over TLS or not, through a proxy or not."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, Self

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_MAPPED: Final = IPv6Network("::ffff:0:0/96")
_MAPPED_PREFIX: Final = 96
_UNIX: Final = "unix"
# Stands for a caller whose address cannot be known: a host never calls from it, so no list of networks means it.
UNKNOWN_ADDRESS: Final = IPv4Address("0.0.0.0")  # noqa: S104 - no socket is bound to it


@dataclass(frozen=True, slots=True)
class Networks:
    """A list of networks, as in DUS_INTERNAL_NETWORKS and DUS_TRUSTED_PROXIES."""

    networks: tuple[Network, ...] = ()
    unix: bool = False

    @classmethod
    def parse(cls, entries: Iterable[str]) -> Self:
        """Read addresses, networks in CIDR form, and the word `unix` (callers over a Unix socket).

        Blank entries are skipped. Raises ValueError that quotes the entry and shows the accepted forms.
        """
        texts = [entry.strip() for entry in entries if entry.strip()]
        networks = tuple(_network(text) for text in texts if text.casefold() != _UNIX)
        return cls(networks=networks, unix=any(text.casefold() == _UNIX for text in texts))

    def contains(self, address: Address) -> bool:
        """Tell whether an address is in one of the networks. `UNKNOWN_ADDRESS` is in none."""
        if address == UNKNOWN_ADDRESS:
            return False
        return any(address.version == network.version and address in network for network in self.networks)


@dataclass(frozen=True, slots=True)
class Peer:
    """The caller as far as it can be trusted: its address, and whether it came over TLS."""

    address: Address
    secure: bool


def resolve_peer(
    *,
    remote_addr: str,
    scheme_is_https: bool,
    forwarded_for: str | None,
    forwarded_proto: str | None,
    trusted: Networks,
) -> Peer:
    """Find the caller behind the proxies that are trusted.

    X-Forwarded-For is read from the right, because every proxy appends the address it saw: what stands further left was
    said by the caller. The first address that is not a trusted proxy is the caller. When something unreadable comes
    first, the caller is `UNKNOWN_ADDRESS`, not the proxy, whose own address is often an internal one.
    X-Forwarded-Proto, where a trusted proxy sent it, says how the caller came; its last entry is the proxy's.
    """
    remote = _address(remote_addr)
    behind_proxy = (
        trusted.contains(remote) if remote is not None else trusted.unix and not remote_addr.strip()
    )
    if not behind_proxy:
        return Peer(remote or UNKNOWN_ADDRESS, scheme_is_https)
    secure = scheme_is_https
    if forwarded_proto is not None and forwarded_proto.strip():
        secure = forwarded_proto.rpartition(",")[2].strip().casefold() == "https"
    return Peer(_caller(remote, forwarded_for or "", trusted), secure)


def _caller(remote: Address | None, forwarded_for: str, trusted: Networks) -> Address:
    nearest = remote or UNKNOWN_ADDRESS
    if not forwarded_for.strip():
        return nearest
    for text in reversed(forwarded_for.split(",")):
        address = _address(text)
        if address is None:
            return UNKNOWN_ADDRESS
        nearest = address
        if not trusted.contains(address):
            break
    return nearest


@lru_cache(maxsize=1024)
def _address(text: str) -> Address | None:
    """Read an address as servers and proxies write it: perhaps in brackets, with a port, with a zone."""
    bare = text.strip()
    if bare.startswith("["):
        bare, closed, port = bare[1:].partition("]")
        if not closed or not _is_port(port):
            return None
    elif bare.count(":") == 1:
        bare, colon, port = bare.partition(":")
        if not _is_port(colon + port):
            return None
    try:
        address = ip_address(bare.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _is_port(text: str) -> bool:
    return not text or (text.startswith(":") and text[1:].isascii() and text[1:].isdigit())


def _network(text: str) -> Network:
    try:
        network = ip_network(text, strict=False)
    except ValueError as error:
        message = f"“{text}” is not a network; write an address (192.0.2.7, 2001:db8::7), a network (10.0.0.0/8, fd00::/8) or unix"
        raise ValueError(message) from error
    if "/" in text and ip_address(text.partition("/")[0]) != network.network_address:
        raise ValueError(
            f"“{text}” has bits set behind its prefix; write {network}, or the one address without a prefix"
        )
    if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
        mapped = IPv4Address(int(network.network_address) & 0xFFFFFFFF)
        return IPv4Network((mapped, network.prefixlen - _MAPPED_PREFIX))
    return network
