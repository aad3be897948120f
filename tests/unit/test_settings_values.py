"""Sizes, durations, addresses and image references."""

from __future__ import annotations

import pytest

from room.settings.values import check_image, parse_address
from room.values import format_duration, format_size, parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        pytest.param("8G", 8 * 1024**3, id="G"),
        pytest.param("8g", 8 * 1024**3, id="lower"),
        pytest.param("512M", 512 * 1024**2, id="M"),
        pytest.param("1.5G", 3 * 1024**3 // 2, id="fraction"),
        pytest.param("64 KiB", 65536, id="KiB-with-space"),
        pytest.param("2T", 2 * 1024**4, id="T"),
        pytest.param("100", 100, id="text-of-bytes"),
        pytest.param(100, 100, id="bytes"),
    ],
)
def test_size_is_read(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "G", "-1G", "8 G B", "1e3", "8P", True, 1.5, None, [1]])
def test_no_size_is_refused(text):
    with pytest.raises(ValueError, match="is no size"):
        parse_size(text)


@pytest.mark.parametrize("text", ["8G", "512M", "64K", "2T", "1000", "0"])
def test_size_is_written_as_it_is_read(text):
    assert format_size(parse_size(text)) == text


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        pytest.param(90, 90.0, id="number"),
        pytest.param(0.5, 0.5, id="fraction"),
        pytest.param("90s", 90.0, id="seconds"),
        pytest.param("2m", 120.0, id="minutes"),
        pytest.param("1h30m", 5400.0, id="hours-and-minutes"),
        pytest.param("1h 30m 15s", 5415.0, id="with-spaces"),
    ],
)
def test_duration_is_read(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "1h30", "90", "-5s", "2 days", "1m1h", True, None])
def test_no_duration_is_refused(text):
    with pytest.raises(ValueError, match="is no duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"), [(120.0, "2m"), (90.0, "90s"), (3600.0, "1h"), (0.5, "0.5s"), (0, "0s")]
)
def test_duration_is_written_short(seconds, text):
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        pytest.param("http://127.0.0.1:8000", ("http", "127.0.0.1", 8000), id="loopback"),
        pytest.param("https://room.org", ("https", "room.org", 443), id="https-port"),
        pytest.param("http://room.org/", ("http", "room.org", 80), id="http-port"),
        pytest.param("https://Room.ORG", ("https", "room.org", 443), id="upper-case"),
        pytest.param("http://[::1]:8000", ("http", "::1", 8000), id="ipv6"),
        pytest.param("https://room.org.", ("https", "room.org", 443), id="rooted-name"),
        pytest.param(
            "https://xn--bcher-kva.example", ("https", "xn--bcher-kva.example", 443), id="idn"
        ),
    ],
)
def test_address_is_taken_apart(text, parts):
    found = parse_address(text)
    assert (found.scheme, found.host, found.port) == parts


@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param("room.org", "is no address", id="no-scheme"),
        pytest.param("ftp://room.org", "is no address", id="scheme"),
        pytest.param("https://", "is no address", id="no-host"),
        pytest.param("https://room.org/lab", r"has a path \(/lab\)", id="path"),
        pytest.param("https://u:p@room.org", "more than an address", id="password"),
        pytest.param("https://room.org?x=1", "more than an address", id="query"),
        pytest.param("https://room.org:99999", "is no address", id="port-too-big"),
        pytest.param("https://room.org:0", "port 0", id="port-zero"),
        pytest.param("https://room.org:x", "is no address", id="port-text"),
        pytest.param("http://0.0.0.0:8000", "stands for every address", id="unspecified"),
        pytest.param("http://[::]:8000", "stands for every address", id="unspecified-6"),
        pytest.param("https://bücher.example", "is no host name", id="unicode"),
        pytest.param("https://ro_om.org", "is no host name", id="underscore"),
        pytest.param("https://-room.org", "is no host name", id="dash-first"),
        pytest.param("https://1.2.3", "is no host name", id="half-an-ip"),
        pytest.param("https://" + "a" * 64 + ".org", "is no host name", id="label-too-long"),
    ],
)
def test_no_address_is_refused_with_the_rule(text, why):
    with pytest.raises(ValueError, match=why):
        parse_address(text)


@pytest.mark.parametrize(
    ("text", "loopback", "public"),
    [
        pytest.param("http://localhost", True, False, id="localhost"),
        pytest.param("http://room.localhost", True, False, id="below-localhost"),
        pytest.param("http://127.9.9.9", True, False, id="127"),
        pytest.param("http://[::1]", True, False, id="ipv6-loopback"),
        pytest.param("http://10.0.0.1", False, False, id="private-ip"),
        pytest.param("http://localhost.example.org", False, True, id="not-localhost"),
        pytest.param("http://room.lan", False, False, id="private-suffix"),
        pytest.param("http://room", False, False, id="one-label"),
        pytest.param("http://room.school.example", False, True, id="public"),
    ],
)
def test_who_can_reach_an_address(text, loopback, public):
    found = parse_address(text)
    assert (found.is_loopback, found.is_public_name) == (loopback, public)


@pytest.mark.parametrize(
    "text",
    [
        "debian:13.2",
        "registry.org:5000/team/pytorch:2.9",
        "pytorch@sha256:" + "a" * 64,
        "pytorch:latest@sha256:" + "a" * 64,
    ],
)
def test_pinned_image_is_taken(text):
    assert check_image(text) == text


@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param("debian", "another image tomorrow", id="no-tag"),
        pytest.param("debian:latest", "another image tomorrow", id="latest"),
        pytest.param("registry.org:5000/debian", "another image tomorrow", id="port-is-no-tag"),
        pytest.param("Debian:13", "is no image", id="upper-case"),
        pytest.param("deb ian:13", "is no image", id="space"),
        pytest.param("debian:13; rm -rf /", "is no image", id="hostile"),
        pytest.param("debian@sha256:abc", "is no image", id="short-digest"),
    ],
)
def test_image_that_can_change_is_refused(text, why):
    with pytest.raises(ValueError, match=why):
        check_image(text)
