from types import SimpleNamespace

import pytest
from tornado.httputil import HTTPHeaders

from room.limiter import Budget, Limiter
from room.people import People
from room.person import Refused
from room.store import Store
from room.store.metadata import metadata
from spawner.authenticator import Limited, TokenAuthenticator, _networks


@pytest.fixture
def authenticator(tmp_path):
    store = Store(f"sqlite:///{tmp_path / 'room.sqlite'}")
    metadata.create_all(store.engine)
    made = TokenAuthenticator(
        people=People(store),
        by_address=Limiter(Budget(2, 60)),
        by_name=Limiter(Budget(2, 60)),
        trusted_proxies=["10.5.0.2", "localhost", "no-such-host.invalid"],
    )
    yield made
    store.close()


def request(peer: str | None, *forwarded: str):
    headers = HTTPHeaders({"X-Real-Ip": "6.6.6.6"})
    for value in forwarded:
        headers.add("X-Forwarded-For", value)
    address = (peer, 1234) if peer else ""
    context = SimpleNamespace(address=address)
    return SimpleNamespace(headers=headers, connection=SimpleNamespace(context=context))


@pytest.mark.parametrize(
    ("made", "client"),
    [
        pytest.param(request("192.0.2.1", "9.9.9.9"), "192.0.2.1", id="straight to the hub"),
        pytest.param(request("10.5.0.2", "192.0.2.1"), "192.0.2.1", id="through the proxy"),
        pytest.param(request("127.0.0.1", "192.0.2.1"), "192.0.2.1", id="a proxy by its name"),
        pytest.param(request("10.5.0.2", "9.9.9.9", "192.0.2.1"), "192.0.2.1", id="two headers"),
        pytest.param(request(None, "192.0.2.1"), "", id="a unix socket"),
    ],
)
async def test_the_address_that_counts(authenticator, made, client) -> None:
    assert await authenticator.client_of(made) == client


def test_a_host_that_is_not_known_is_left_out() -> None:
    assert _networks(["no-such-host.invalid", "10.0.0.0/8"]) == _networks(["10.0.0.0/8"])


async def attempt(authenticator, address: str, name: str = ""):
    handler = SimpleNamespace(request=request(address))
    return await authenticator.attempt(handler, "nonsense", name)


async def test_an_address_is_limited_by_itself(authenticator) -> None:
    for _ in range(2):
        assert await attempt(authenticator, "192.0.2.1") == Refused("unreadable")
    assert isinstance(await attempt(authenticator, "192.0.2.1"), Limited)
    assert await attempt(authenticator, "192.0.2.2") == Refused("unreadable")


async def test_a_name_is_limited_over_all_addresses(authenticator) -> None:
    for n in range(2):
        assert await attempt(authenticator, f"192.0.2.{n}", " Alice ") == Refused("unreadable")
    limited = await attempt(authenticator, "192.0.2.9", "alice")
    assert isinstance(limited, Limited)
    assert 0 < limited.seconds <= 60


async def test_what_can_be_no_name_takes_no_memory(authenticator) -> None:
    for n in range(50):
        await attempt(authenticator, f"192.0.2.{n}", f"../{n}" * 100)
    assert len(authenticator.by_name) == 0


async def test_attempts_over_the_limit_are_told_once(authenticator, caplog) -> None:
    authenticator.log.propagate = True
    for _ in range(2):
        await attempt(authenticator, "192.0.2.1")
    caplog.clear()
    for _ in range(50):
        await attempt(authenticator, "192.0.2.1")
    assert [record.args for record in caplog.records] == [(1,)]
