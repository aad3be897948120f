"""What may be published from by its address, what is shown of one, and who may be asked."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from room.datasets import addresses, fetching, peers
from room.datasets.addresses import Access, Rules, Wanted

LOOSE = Rules(("https", "http", "s3", "hf"))


@pytest.mark.parametrize(
    "address",
    [
        "https://example.org/data/cats.zip",
        "https://example.org:8443/cats.zip?signature=s3cret",
        "https://user:s3cret@example.org/cats%20and%20dogs.zip",
        "https://[2606:4700::1]/cats.zip",
        "s3://bucket",
        "s3://bucket/folder/",
        "s3://bucket/a@b.zip",
        "hf://datasets/owner/name@v1.0/train",
        "https://example.org/猫.zip",
    ],
)
def test_an_address_is_taken(address: str) -> None:
    wanted = Wanted((address,))
    assert addresses.check(wanted, Rules()) is wanted
    assert "s3cret" not in wanted.shown[0]


@pytest.mark.parametrize(
    ("texts", "access", "rule"),
    [
        pytest.param([], {}, "no address is named", id="none"),
        pytest.param(["cats.zip"], {}, "an address is none", id="no-protocol"),
        pytest.param(["https://a/x y"], {}, "is none", id="space"),
        pytest.param(["https://a/x\x00"], {}, "is none", id="control"),
        pytest.param(["https://a/" + "x" * 4096], {}, "is none", id="long"),
        pytest.param(["http://a.org/x"], {}, "begins with https://, s3://, hf://", id="http"),
        pytest.param(["file:///etc/shadow"], {}, "is not taken here", id="file"),
        pytest.param(["local:///etc/shadow"], {}, "is not taken here", id="local"),
        pytest.param(["memory://x/y"], {}, "is not taken here", id="memory"),
        pytest.param(["reference://x/y"], {}, "is not taken here", id="reference"),
        pytest.param(["sftp://a/x"], {}, "is not taken here", id="sftp"),
        pytest.param(["simplecache::https://a/x"], {}, "an address is none", id="chain"),
        pytest.param(["zip://x::file:///etc/y.zip"], {}, "is not taken here", id="chained-file"),
        pytest.param(["https:///x"], {}, "names no host", id="no-host"),
        pytest.param(["https://a:99999/x"], {}, "names no host", id="port"),
        pytest.param(["https://a.org/"], {}, "is no file", id="folder"),
        pytest.param(["https://u:p/w@a.org/x"], {}, "names no host", id="slash-in-password"),
        pytest.param(
            ["https://u:1/w@a.org/x"], {}, "an @ behind its host", id="port-like-password"
        ),
        pytest.param(["s3://k:s@bucket/x"], {}, "has a user in it", id="s3-user"),
        pytest.param(["https://a/x", "https://a/x"], {}, "twice", id="twice"),
        pytest.param(["https://a/x", "https://b/y"], {"token": "t"}, "several servers", id="two"),
        pytest.param(["https://a/x"], {"token": "a\nb"}, "line break", id="line-break"),
        pytest.param(["s3://a"], {"endpoint": "minio"}, "is no address", id="endpoint"),
        pytest.param(["s3://a"], {"endpoint": "https://u@m"}, "is no address", id="endpoint-user"),
        pytest.param(["s3://a"], {"endpoint": "http://m.org"}, "not https", id="endpoint-http"),
    ],
)
def test_an_address_is_refused_in_words(
    texts: list[str], access: dict[str, str], rule: str
) -> None:
    with pytest.raises(ValueError, match=rule):
        addresses.check(Wanted(tuple(texts), Access(**access)), Rules())


def test_a_password_is_not_sent_in_the_clear_and_more_than_a_hundred_are_too_many() -> None:
    with pytest.raises(ValueError, match="over http"):
        addresses.check(Wanted(("http://a.org/x",), Access(user="u")), LOOSE)
    many = tuple(f"https://a/{number}" for number in range(101))
    with pytest.raises(ValueError, match="more than 100"):
        addresses.check(Wanted(many), Rules())


@pytest.mark.parametrize("address", ["sftp://u@a.org/x", "file:///data/x", "zip://a::https://b/c"])
def test_the_command_s_addresses_are_whatever_fsspec_reads(address: str) -> None:
    assert addresses.is_address(address)
    assert addresses.check(Wanted((address,)), None)
    assert not addresses.is_address("./" + address.partition("://")[2])


SECRET = st.text(st.sampled_from("Zz9/:@?#&=%+._~-"), min_size=4, max_size=12).map("Q".__add__)


@given(SECRET, st.sampled_from(["https", "s3", "hf", "sftp", "zip://x::https"]))
def test_what_is_shown_has_no_password_and_no_query(secret: str, kind: str) -> None:
    for address in (f"{kind}://user:{secret}@a.org/x", f"{kind}://a.org/x?signature={secret}"):
        shown = addresses.shown(address)
        assert secret not in shown
        assert shown.count("Q") == 0
    assert secret not in repr(Wanted((address,), Access(password=secret)))


@pytest.mark.parametrize(
    ("host", "may"),
    [
        ("93.184.216.34", True),
        ("2606:4700::1111", True),
        ("127.0.0.1", False),
        ("127.8.9.1", False),
        ("0.0.0.0", False),
        ("10.1.2.3", False),
        ("172.18.0.2", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.100.100.200", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("::", False),
        ("fe80::1%eth0", False),
        ("fd00:ec2::254", False),
        ("ff02::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:169.254.169.254", False),
        ("::127.0.0.1", False),
        ("64:ff9b::10.0.0.1", False),
        ("64:ff9b::93.184.216.34", True),
        ("2002:7f00:1::", False),
        ("localhost", False),
        ("proxy-api", False),
        ("", False),
    ],
)
def test_only_public_peers_are_asked(host: str, may: bool) -> None:
    assert peers.may_connect(host, []) is may


def test_a_peer_that_room_yaml_names_is_asked() -> None:
    network = peers.network("10.20.0.0/16")
    assert network is not None
    assert peers.may_connect("10.20.3.4", [network])
    assert peers.may_connect("::ffff:10.20.3.4", [network])
    assert not peers.may_connect("10.21.3.4", [network])
    assert peers.network("minio.school.lan") is None


@pytest.mark.parametrize("why", sorted(fetching.KNOWN))
def test_every_reason_says_where_and_what_it_is(why: str) -> None:
    assert "https://a.org/x" in fetching.words(why, "https://a.org/x")


def test_going_on_with_another_password_takes_the_same_addresses_only() -> None:
    begun = ["https://a.org/x"]
    anew = Wanted((), Access(token="t"))
    assert addresses.given_anew(anew, begun).addresses == ("https://a.org/x",)
    signed = Wanted(("https://a.org/x?signature=2",))
    assert addresses.given_anew(signed, begun) == signed
    with pytest.raises(ValueError, match="other addresses"):
        addresses.given_anew(Wanted(("https://b.org/x",)), begun)
