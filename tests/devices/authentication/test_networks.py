from ipaddress import IPv4Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.authentication.networks import UNKNOWN_ADDRESS, Networks, Peer, resolve_peer

PROXIES = Networks.parse(["127.0.0.1", "10.0.0.5", "fd00::5"])
INTERNAL = Networks.parse(["10.0.0.0/8", "127.0.0.0/8", "fd00::/8"])


def resolve(
    remote: str,
    forwarded_for: str | None = None,
    *,
    proto: str | None = None,
    https: bool = False,
    trusted: Networks = PROXIES,
) -> Peer:
    return resolve_peer(
        remote_addr=remote,
        scheme_is_https=https,
        forwarded_for=forwarded_for,
        forwarded_proto=proto,
        trusted=trusted,
    )


def test_without_a_proxy_the_caller_is_the_remote_address() -> None:
    assert resolve("192.0.2.7", https=True) == Peer(IPv4Address("192.0.2.7"), secure=True)


def test_headers_of_a_stranger_count_for_nothing() -> None:
    assert resolve("192.0.2.7", "10.1.1.1", proto="https") == Peer(IPv4Address("192.0.2.7"), secure=False)


def test_a_trusted_proxy_says_who_calls_and_how() -> None:
    assert resolve("127.0.0.1", "192.0.2.7", proto="https") == Peer(IPv4Address("192.0.2.7"), secure=True)
    assert resolve("127.0.0.1", "192.0.2.7", proto="http", https=True) == Peer(
        IPv4Address("192.0.2.7"), secure=False
    )


def test_the_last_entry_of_the_scheme_is_the_proxys() -> None:
    assert not resolve("127.0.0.1", "192.0.2.7", proto="https, http").secure
    assert resolve("127.0.0.1", "192.0.2.7", proto="http, HTTPS ").secure


def test_a_proxy_that_does_not_say_how_the_caller_came_leaves_the_scheme_as_it_is() -> None:
    assert resolve("127.0.0.1", "192.0.2.7", https=True).secure
    assert resolve("127.0.0.1", "192.0.2.7", proto=" ", https=True).secure


def test_a_chain_of_trusted_proxies_is_followed_to_the_first_stranger() -> None:
    assert resolve("127.0.0.1", "10.9.9.9, 192.0.2.7, fd00::5, 10.0.0.5").address == IPv4Address("192.0.2.7")


def test_a_forged_inner_address_left_of_the_real_one_makes_no_insider() -> None:
    peer = resolve("127.0.0.1", "10.1.1.1, 127.0.0.1, 192.0.2.7")
    assert not INTERNAL.contains(peer.address)


@pytest.mark.parametrize(
    "header", ["garbage", "10.1.1.1, garbage", "10.1.1.1, , 10.0.0.5", "unknown, 10.0.0.5", ",", "_x"]
)
def test_what_cannot_be_read_makes_no_insider_of_the_caller(header: str) -> None:
    peer = resolve("127.0.0.1", header)
    assert peer.address == UNKNOWN_ADDRESS
    assert not INTERNAL.contains(peer.address)


def test_garbage_left_of_a_stranger_does_not_matter() -> None:
    assert resolve("127.0.0.1", "garbage, 192.0.2.7").address == IPv4Address("192.0.2.7")


def test_a_trusted_proxy_calling_for_itself_is_the_caller() -> None:
    assert resolve("127.0.0.1").address == IPv4Address("127.0.0.1")
    assert resolve("127.0.0.1", "10.0.0.5").address == IPv4Address("10.0.0.5")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("fe80::1%eth0", "fe80::1"),
        ("[2001:db8::7]:4711", "2001:db8::7"),
        ("[2001:db8::7]", "2001:db8::7"),
        ("192.0.2.7:4711", "192.0.2.7"),
    ],
)
def test_addresses_are_read_as_proxies_write_them(text: str, address: str) -> None:
    assert resolve("127.0.0.1", text).address == ip_address(address)
    assert resolve(text).address == ip_address(address)


@pytest.mark.parametrize(
    "text", ["[2001:db8::7", "[2001:db8::7]x", "192.0.2.7:http", "192.0.2.7:²", "192.0.2", "1:2:3"]
)
def test_half_an_address_is_none(text: str) -> None:
    assert resolve(text).address == UNKNOWN_ADDRESS


def test_a_mapped_remote_address_is_recognised_as_the_trusted_proxy() -> None:
    assert resolve("::ffff:127.0.0.1", "192.0.2.7").address == IPv4Address("192.0.2.7")


def test_a_unix_socket_is_trusted_only_when_listed() -> None:
    assert resolve("", "10.1.1.1", proto="https") == Peer(UNKNOWN_ADDRESS, secure=False)
    listed = Networks.parse(["unix"])
    assert resolve("", "10.1.1.1", proto="https", trusted=listed) == Peer(
        IPv4Address("10.1.1.1"), secure=True
    )
    assert resolve("", trusted=listed).address == UNKNOWN_ADDRESS
    assert resolve("garbage", "10.1.1.1", trusted=listed).address == UNKNOWN_ADDRESS


def test_an_unknown_address_is_in_no_network_whatever_is_listed() -> None:
    assert not Networks.parse(["0.0.0.0/0"]).contains(UNKNOWN_ADDRESS)


def test_networks_are_read_from_addresses_and_prefixes() -> None:
    networks = Networks.parse([" 10.0.0.0/8 ", "", "192.0.2.7", "fd00::/8", "::ffff:172.16.0.0/108", "UNIX"])
    inside = ["10.255.0.1", "192.0.2.7", "fd12::1", "172.31.0.1"]
    assert all(networks.contains(ip_address(address)) for address in inside)
    assert not any(
        networks.contains(ip_address(address))
        for address in ["11.0.0.1", "192.0.2.8", "fe80::1", "172.32.0.1"]
    )
    assert networks.unix


def test_no_entry_means_no_network() -> None:
    assert Networks.parse([]) == Networks()
    assert not Networks().contains(IPv4Address("127.0.0.1"))


@pytest.mark.parametrize("entry", ["internal", "10.0.0.0/33", "10.0.0", "10.0.0.0/8/8", "/8"])
def test_what_is_not_a_network_is_refused_with_a_hint(entry: str) -> None:
    with pytest.raises(ValueError, match=r"10\.0\.0\.0/8") as caught:
        Networks.parse([entry])
    assert entry in str(caught.value)


def test_bits_behind_the_prefix_are_refused_with_the_network_that_was_meant() -> None:
    with pytest.raises(ValueError, match=r"write 10\.0\.0\.0/8"):
        Networks.parse(["10.1.2.3/8"])


@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=10))
def test_no_header_raises_and_none_but_a_trusted_proxy_makes_an_insider(
    remote: str, header: str, proto: str
) -> None:
    assert resolve(remote, header, proto=proto).address is not None


@given(st.text(alphabet="0123456789abcdef.:,[]% x", max_size=60))
def test_a_stranger_behind_the_proxy_stays_one_whatever_he_sends(forged: str) -> None:
    assert resolve("127.0.0.1", f"{forged},192.0.2.7").address == IPv4Address("192.0.2.7")
