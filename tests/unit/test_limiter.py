import pytest
from hypothesis import given
from hypothesis import strategies as st

from room.limiter import ADDRESS, Budget, Limiter, client_address, network_key

SMALL = Budget(burst=3, every=10.0)


def fails(limiter: Limiter, *moments: float, key: str = "a") -> list[int]:
    return [limiter.fail(key, now) for now in moments]


@pytest.mark.parametrize(
    ("moments", "waits"),
    [
        pytest.param((0, 0, 0), [0, 0, 0], id="the burst is free"),
        pytest.param((0, 0, 0, 0), [0, 0, 0, 10], id="one more waits for the next"),
        pytest.param((0, 0, 0, 4, 9.5), [0, 0, 0, 6, 1], id="waiting is not prolonged by trying"),
        pytest.param((0, 0, 0, 10, 10), [0, 0, 0, 0, 10], id="one is back after its time"),
        pytest.param((0, 0, 0, 1000, 1000, 1000, 1000), [0] * 6 + [10], id="never above the burst"),
        pytest.param((50, 50, 50, 0), [0, 0, 0, 10], id="a clock that steps back gives nothing"),
    ],
)
def test_a_budget_is_a_burst_and_then_one_at_a_time(moments, waits) -> None:
    assert fails(Limiter(SMALL), *moments) == waits


def test_keys_have_budgets_of_their_own() -> None:
    limiter = Limiter(SMALL)
    assert fails(limiter, 0, 0, 0, 0)[-1] == 10
    assert fails(limiter, 0, key="b") == [0]


def test_a_whole_class_may_mistype_once() -> None:
    assert not any(fails(Limiter(ADDRESS), *[0.0] * 30))


def test_memory_is_bounded_and_keeps_who_failed_last() -> None:
    limiter = Limiter(SMALL, max_keys=100)
    for n in range(10_000):
        limiter.fail(str(n), 0.0)
        limiter.fail("busy", 0.0)
    assert len(limiter) == 100
    assert limiter.fail("busy", 0.0) == 10


@given(
    st.lists(st.floats(0, 30, allow_nan=False), max_size=60),
    st.integers(1, 6),
    st.floats(0.5, 20, allow_nan=False),
)
def test_no_window_holds_more_than_burst_plus_refill(gaps, burst, every) -> None:
    limiter, now, passed = Limiter(Budget(burst, every)), 0.0, []
    for gap in gaps:
        now += gap
        if limiter.fail("a", now) == 0:
            passed.append(now)
    for i, start in enumerate(passed):
        for j in range(i, len(passed)):
            assert j - i + 1 <= burst + (passed[j] - start) / every + 1e-6


@given(st.integers(0, 50), st.integers(1, 6), st.floats(0.5, 20, allow_nan=False))
def test_waiting_as_long_as_told_is_enough(tries, burst, every) -> None:
    limiter = Limiter(Budget(burst, every))
    waits = [limiter.fail("a", 0.0) for _ in range(tries + burst + 1)]
    assert waits[-1] > 0
    assert limiter.fail("a", float(waits[-1])) == 0


@pytest.mark.parametrize(
    ("address", "key"),
    [
        pytest.param("192.0.2.7", "192.0.2.7", id="IPv4"),
        pytest.param("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64", id="IPv6 by what one host owns"),
        pytest.param("::ffff:192.0.2.7", "192.0.2.7", id="IPv4 mapped into IPv6"),
        pytest.param("not an address", "unknown", id="nonsense shares one budget"),
    ],
)
def test_one_network_is_one_key(address, key) -> None:
    assert network_key(address) == key


@pytest.mark.parametrize(
    ("peer", "header", "client"),
    [
        pytest.param("192.0.2.7", "198.51.100.1", "192.0.2.7", id="a stranger's header is ignored"),
        pytest.param("10.5.0.2", "192.0.2.7", "192.0.2.7", id="our proxy's word counts"),
        pytest.param("10.5.0.2", "192.0.2.7, 10.5.0.3", "192.0.2.7", id="front, then proxy"),
        pytest.param(
            "10.5.0.2", "1.1.1.1, 192.0.2.7, 10.5.0.3", "192.0.2.7", id="what a client wrote itself"
        ),
        pytest.param("10.5.0.2", "", "10.5.0.2", id="no header"),
        pytest.param("10.5.0.2", "10.5.0.9", "10.5.0.9", id="a client on our own network"),
        pytest.param("10.5.0.2", "evil, 10.5.0.3", "10.5.0.3", id="no address at all"),
        pytest.param("::ffff:10.5.0.2", "192.0.2.7", "192.0.2.7", id="a mapped peer"),
        pytest.param("", "192.0.2.7", "", id="a socket without an address"),
    ],
)
def test_the_client_is_the_first_address_that_is_not_ours(peer, header, client) -> None:
    from ipaddress import ip_network

    assert client_address(peer, header, [ip_network("10.5.0.0/24")]) == client
