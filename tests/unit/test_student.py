"""A student's browser against a hub that answers from a table, without a network."""

from __future__ import annotations

import json

import httpx
import pytest

from cli.errors import Problem
from cli.student import Student, Timeouts, explain, login_words
from cli.studentserver import failure

ROOM = "http://127.0.0.1:8000"


class Hub:
    """Answers requests by ``(method, path)``; a list is answered one by one, its last for ever."""

    def __init__(self, **routes):
        self.routes = {
            "GET /hub/login": page("", {"_xsrf": ("anonymous", "/hub/")}),
            "POST /hub/login": httpx.Response(302, headers={"Location": "/hub/home"}),
            "GET /hub/home": page("home", {"_xsrf": ("mine", "/hub/")}),
            "GET /hub/api/user": answer({"name": "alice", "servers": {}}),
            **routes,
        }
        self.asked = []

    def __call__(self, request):
        key = f"{request.method} {request.url.path}"
        self.asked.append(request)
        found = self.routes.get(key, answer({"message": "Not Found"}, 404))
        if isinstance(found, list):
            found = found.pop(0) if len(found) > 1 else found[0]
        if isinstance(found, Exception):
            raise found
        return httpx.Response(found.status_code, headers=found.headers, content=found.content)

    def last(self, method, path):
        return next(r for r in reversed(self.asked) if (r.method, r.url.path) == (method, path))


def answer(value, status=200):
    return httpx.Response(status, json=value)


def page(text, cookies=None):
    headers = [("Set-Cookie", f"{k}={v}; Path={p}") for k, (v, p) in (cookies or {}).items()]
    return httpx.Response(200, headers=headers, text=text)


def events(*found):
    return httpx.Response(200, text="".join(f"data: {json.dumps(e)}\n\n\n" for e in found))


def student(hub, **timeouts):
    return Student(ROOM, transport=httpx.MockTransport(hub), timeouts=Timeouts(**timeouts))


async def logged_in(hub, **timeouts):
    who = student(hub, **timeouts)
    await who.log_in("secret")
    return who


async def test_login_sends_the_form_with_token_and_xsrf():
    hub = Hub()
    who = await logged_in(hub)

    form = hub.last("POST", "/hub/login").content.decode()
    assert "_xsrf=anonymous" in form
    assert "password=secret" in form
    assert "token=secret" in form
    assert who.name == "alice"
    assert hub.last("GET", "/hub/api/user").headers["X-XSRFToken"] == "mine"


async def test_login_refused_in_the_pages_own_words():
    words = '<p class="login_error alert">\n  This link was\n  revoked. </p>'
    hub = Hub(**{"POST /hub/login": httpx.Response(403, text=words)})

    with pytest.raises(Problem, match=r"^The login was refused: This link was revoked\.$"):
        await student(hub).log_in("secret")


async def test_nobody_at_the_address():
    hub = Hub(**{"GET /hub/login": httpx.ConnectError("refused")})

    with pytest.raises(Problem, match=r"no connection at http://127\.0\.0\.1:8000") as caught:
        await student(hub).log_in("secret")
    assert "make up" in caught.value.remedy


SERVER = "/hub/api/users/alice/server"
READY = {"progress": 100, "ready": True, "message": "Server ready at /user/alice/"}


async def test_start_yields_each_stage_until_ready():
    hub = Hub(
        **{
            f"POST {SERVER}": httpx.Response(201),
            f"GET {SERVER}/progress": events({"progress": 5, "message": "Queue"}, READY),
        }
    )
    server = (await logged_in(hub)).server()

    stages = await server.ready({"profile": "cpu"})

    assert [stage.message for stage in stages] == ["Queue", "Server ready at /user/alice/"]
    assert json.loads(hub.last("POST", SERVER).content) == {"user_options": {"profile": "cpu"}}


async def test_start_without_options_asks_for_the_last_ones():
    hub = Hub(
        **{
            f"POST {SERVER}": httpx.Response(201),
            f"GET {SERVER}/progress": events(READY),
        }
    )
    await (await logged_in(hub)).server().ready()

    assert hub.last("POST", SERVER).content == b""


async def test_start_goes_on_when_the_stream_breaks():
    """A hub that was restarted, or has not noted the start yet, has no stream at first."""
    pending = answer({"name": "alice", "servers": {"": {"pending": "spawn", "ready": False}}})
    hub = Hub(
        **{
            f"POST {SERVER}": httpx.Response(202),
            f"GET {SERVER}/progress": [answer({}, 400), events({"message": "half"}), events(READY)],
        }
    )
    who = await logged_in(hub)
    hub.routes["GET /hub/api/user"] = pending

    assert [stage.message for stage in await who.server().ready()] == ["half", READY["message"]]


async def test_refused_start_tells_the_rooms_reason():
    reason = "All 4 GPUs are in use. Choose a CPU profile, or try again later."
    hub = Hub(**{f"POST {SERVER}": answer({"status": 409, "message": reason}, 409)})
    server = (await logged_in(hub)).server()

    with pytest.raises(Problem, match=r"All 4 GPUs are in use\. Choose a CPU profile"):
        await server.ready({"profile": "gpu"})


async def test_a_hub_that_is_away_is_told_from_one_that_refuses():
    hub = Hub(**{f"POST {SERVER}": httpx.Response(503, text="<html>proxy</html>")})
    server = (await logged_in(hub)).server()

    with pytest.raises(Problem, match="The start: the hub does not answer") as caught:
        await server.ready()
    assert "room status" in caught.value.remedy


async def test_failed_start_tells_the_events_reason():
    failed = {"progress": 100, "failed": True, "message": "Spawn failed: the disk is full."}
    hub = Hub(
        **{
            f"POST {SERVER}": httpx.Response(202),
            f"GET {SERVER}/progress": events(failed),
        }
    )
    server = (await logged_in(hub)).server()

    with pytest.raises(Problem, match=r"^The start failed: the disk is full\.$"):
        await server.ready()


async def test_start_that_the_hub_forgot_ends():
    hub = Hub(
        **{
            f"POST {SERVER}": httpx.Response(202),
            f"GET {SERVER}/progress": answer({}, 400),
        }
    )
    server = (await logged_in(hub)).server()

    with pytest.raises(Problem, match="without a server and without a reason"):
        await server.ready()


async def test_slow_start_names_the_last_step_and_the_limit():
    hub = Hub(
        **{
            f"POST {SERVER}": httpx.Response(202),
            f"GET {SERVER}/progress": events({"message": "Making the container"}),
        }
    )
    who = await logged_in(hub, start=0.2)
    hub.routes["GET /hub/api/user"] = answer({"servers": {"": {"pending": "spawn"}}})

    with pytest.raises(Problem, match=r"within 0\.2 s \(last step seen: Making the container\)"):
        await who.server().ready()


async def test_stop_waits_until_the_hub_lists_it_no_more():
    hub = Hub(**{f"DELETE {SERVER}": httpx.Response(202)})
    who = await logged_in(hub)
    stopping = answer({"servers": {"": {"pending": "stop"}}})
    hub.routes["GET /hub/api/user"] = [stopping, stopping, answer({"servers": {}})]

    assert await who.server().stop() >= 0.1


async def test_stop_that_never_ends_is_told():
    hub = Hub(**{f"DELETE {SERVER}": httpx.Response(202)})
    who = await logged_in(hub, stop=0.15)
    hub.routes["GET /hub/api/user"] = answer({"servers": {"": {"pending": "stop"}}})

    with pytest.raises(Problem, match=r"still there 0\.15 s after .* \(the hub says: stop\)"):
        await who.server().stop()


async def test_named_server_has_its_own_addresses():
    who = await logged_in(Hub())

    assert who.server("lab").base == "user/alice/lab/"


async def test_a_server_needs_a_login():
    with pytest.raises(Problem, match="Nobody is logged in"):
        student(Hub()).server()


@pytest.mark.parametrize(
    ("found", "words"),
    [
        pytest.param(answer({"message": "No GPU is free."}, 409), "No GPU is free", id="own words"),
        pytest.param(
            httpx.Response(403, text="<html>"), "the room does not allow it", id="by status"
        ),
        pytest.param(answer(["odd"], 418), "the room did not understand the request", id="by kind"),
        pytest.param(httpx.Response(599), "something in the room broke", id="unheard of"),
    ],
)
def test_an_error_is_words(found, words):
    assert explain(found) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("<p>Welcome</p>", "", id="none"),
        pytest.param("<p class='login_error'>Wait 30 s.</p>", "Wait 30 s", id="JupyterHub's"),
        pytest.param(
            '<div class="alert" role="alert" id="why">\n Ask <b>Ada &amp; Bob</b>.\n</div><p>x</p>',
            "Ask Ada & Bob",
            id="the room's",
        ),
    ],
)
def test_login_pages_words(text, words):
    assert login_words(text) == words


@pytest.mark.parametrize(
    ("message", "words"),
    [
        pytest.param("Spawn failed: no GPU.", "no GPU", id="hub's heading"),
        pytest.param("Spawn failed:", "no reason was given", id="nothing more"),
        pytest.param("Spawn failed", "no reason was given", id="heading alone"),
    ],
)
def test_failed_events_words(message, words):
    assert failure(message) == words
