"""Webhooks reach only machines on the public internet, however a URL is written."""

from ipaddress import IPv4Address, IPv6Address, ip_address

import httpcore2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringback.notify.addresses import (
    Address,
    PrivateAddressError,
    PublicNetwork,
    is_public,
    look_up_here,
)
from tests.webhook_receiver import Names, listening

PRIVATE = [
    "0.0.0.0",  # noqa: S104 - nobody listens there
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "100.127.255.255",
    "127.0.0.1",
    "127.8.9.1",
    "169.254.169.254",
    "168.63.129.16",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.8",
    "192.0.0.9",
    "192.0.0.10",
    "192.0.0.192",
    "192.0.0.255",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:8.8.8.8",
    "::ffff:0:127.0.0.1",
    "64:ff9b::127.0.0.1",
    "64:ff9b::169.254.169.254",
    "64:ff9b::168.63.129.16",
    "64:ff9b::192.0.0.192",
    "64:ff9b::100.100.100.200",
    "64:ff9b:1::8.8.8.8",
    "64:ff9b:1:ffff:ffff:ffff:ffff:ffff",
    "100::1",
    "2001::1",
    "2001:0:808:808:0:0:5601:5601",
    "2001:0:4136:e378:8000:63bf:f7f7:f7f7",
    "2001:1::1",
    "2001:20::1",
    "2001:1ff::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:808:808::1",
    "2002:a9fe:a9fe::1",
    "2002:a83f:8110::1",
    "3ffe::1",
    "3fff::1",
    "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
]
PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "93.184.215.14",
    "100.63.255.255",
    "100.128.0.1",
    "168.63.129.15",
    "168.63.129.17",
    "192.0.1.1",
    "192.88.98.1",
    "192.88.100.1",
    "2001:200::1",
    "2001:4860:4860::8888",
    "2606:4700::1111",
    "64:ff9b::8.8.8.8",
]


@pytest.mark.parametrize("text", PRIVATE)
def test_special_addresses_are_not_public(text: str) -> None:
    assert not is_public(ip_address(text))


@pytest.mark.parametrize("text", PUBLIC)
def test_unicast_internet_addresses_are_public(text: str) -> None:
    assert is_public(ip_address(text))


@given(st.ip_addresses(v=4))
def test_wrapped_private_addresses_are_not_public(address: IPv4Address) -> None:
    number = int(address)
    wrapped = [
        IPv6Address(number),
        IPv6Address(0xFFFF << 32 | number),
        IPv6Address(0x64FF9B << 96 | number),
        IPv6Address(0x2002 << 112 | number << 80),
        IPv6Address(0x20010000 << 96 | number ^ 0xFFFFFFFF),
    ]

    assert is_public(address) or not any(map(is_public, wrapped))


@given(st.ip_addresses())
def test_addresses_private_to_python_are_never_public(address: Address) -> None:
    is_odd = (
        address.is_private
        or address.is_loopback
        or address.is_link_local
        or address.is_multicast
        or address.is_unspecified
        or (address.is_reserved and not str(address).startswith("64:ff9b::"))
    )

    assert not (is_odd and is_public(address))


@pytest.mark.parametrize(
    "host",
    ["localhost", "127.0.0.1", "127.1", "2130706433", "0x7f000001", "0", "0.0.0.0", "::1"],  # noqa: S104 - what somebody may try
)
async def test_every_spelling_of_loopback_is_rejected(host: str) -> None:
    network = PublicNetwork(allows_private=False)

    async with listening() as receiver:
        with pytest.raises((PrivateAddressError, httpcore2.ConnectError)):
            await network.connect_tcp(host, receiver.port)

    assert receiver.got == []


async def test_name_with_a_private_address_is_rejected() -> None:
    names = Names(outside=["8.8.8.8", "127.0.0.1"])
    network = PublicNetwork(allows_private=False, look_up=names.look_up)

    with pytest.raises(PrivateAddressError):
        await network.connect_tcp("outside.example", 80)


async def test_name_is_looked_up_once_and_that_address_is_used() -> None:
    names = Names(outside=["127.0.0.1"])
    network = PublicNetwork(allows_private=True, look_up=names.look_up)

    async with listening() as receiver:
        stream = await network.connect_tcp("outside.example", receiver.port)

    assert stream.get_extra_info("server_addr") == ("127.0.0.1", receiver.port)
    assert names.asked == ["outside.example"]
    await stream.aclose()


async def test_next_address_is_tried_if_one_refuses() -> None:
    names = Names(outside=["127.0.0.2", "127.0.0.1"])
    network = PublicNetwork(allows_private=True, look_up=names.look_up)

    async with listening() as receiver:
        stream = await network.connect_tcp("outside.example", receiver.port)

    assert stream.get_extra_info("server_addr")[0] == "127.0.0.1"
    await stream.aclose()


async def test_unknown_name_has_no_address() -> None:
    with pytest.raises(httpcore2.ConnectError, match="no such host"):
        await look_up_here("nobody.invalid", 80)


async def test_name_without_addresses_is_not_connected() -> None:
    network = PublicNetwork(allows_private=True, look_up=Names(outside=[]).look_up)

    with pytest.raises(httpcore2.ConnectError, match="no such host"):
        await network.connect_tcp("outside.example", 80)
