"""The pages in a real Chromium: by link, by keyboard, by eye and for who does not see."""

import signal
from pathlib import Path

import httpx
import pytest

from tests.hub.conftest import FULL_HOME, Browser, Hub
from tests.utils.chromium import chromium

pytestmark = pytest.mark.browser

ARTIFACTS = Path(__file__).parents[1] / "artifacts" / "pages"
TAKEN = "This profile needs 4 GPUs and this room has 2."


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    made = Hub(tmp_path_factory.mktemp("browser"))
    made.start()
    yield made
    made.close()


@pytest.fixture(scope="module")
def engine():
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(hub, engine):
    yield from open_page(hub, engine)


def open_page(hub, engine, **options):
    hub.script({})
    context = engine.new_context(base_url=hub.public_url, **{"locale": "en-US", **options})
    context.set_default_timeout(20_000)
    made = context.new_page()
    errors: list[str] = []
    made.on("pageerror", lambda error: errors.append(str(error)))
    yield made
    context.close()
    hub.script({})
    assert errors == [], "a script of ours failed"


def link(hub: Hub, login: str, **person) -> str:
    return f"{hub.public_url}/hub/login#token={hub.person(login, **person)}"


def log_in(page, hub, login: str, **person) -> None:
    page.goto(link(hub, login, **person))
    page.wait_for_url("**/hub/spawn*")


# -- the login ---------------------------------------------------------------------------------


def test_a_link_logs_in_and_leaves_no_token_behind(hub, page) -> None:
    seen: list[str] = []
    page.on("request", lambda request: seen.append(request.url + str(request.headers)))
    address = link(hub, "alice")
    token = address.partition("=")[2]
    page.goto(address)
    page.wait_for_url("**/hub/spawn*")
    assert not any(token in request for request in seen), "in no address and in no header"
    page.goto("/hub/home")
    page.go_back()
    page.go_back()
    assert token not in page.url
    assert token not in page.evaluate("location.hash + document.referrer")


def test_a_link_pasted_over_the_open_login_page_logs_in(hub, page) -> None:
    page.goto("/hub/login")
    page.goto(link(hub, "over"))
    page.wait_for_url("**/hub/spawn*")


def test_a_link_keeps_where_the_person_wanted(hub, page) -> None:
    page.goto(link(hub, "nexter").replace("#", "?next=%2Fhub%2Fhome#"))
    page.wait_for_url("**/hub/home")


def test_a_pasted_link_logs_in_without_any_script(hub, engine) -> None:
    for page in open_page(hub, engine, java_script_enabled=False):
        page.goto("/hub/login")
        page.fill("#token", f"  {link(hub, 'scriptless')} ")
        page.click("#submit")
        assert page.url.endswith("/hub/spawn")


def test_a_link_opened_when_logged_in_goes_on_or_asks(hub, page) -> None:
    own, other = link(hub, "bob"), link(hub, "carol")
    page.goto(own)
    page.wait_for_url("**/hub/spawn*")
    page.goto(own.replace("#", "?next=%2Fhub%2Fhome#"))
    page.wait_for_url("**/hub/home")
    page.goto(other)
    page.wait_for_selector("text=This link belongs to carol")
    page.click("text=Stay bob")
    assert page.inner_text(".who") == "bob"
    page.goto(other)
    page.click("text=Sign in as carol")
    page.wait_for_url("**/hub/spawn*")
    assert page.inner_text(".who") == "carol"


def test_what_is_pasted_can_be_shown(hub, page) -> None:
    page.goto("/hub/login")
    page.fill("#token", "abc")
    assert page.get_attribute("#token", "type") == "password"
    page.click("#reveal")
    assert page.get_attribute("#token", "type") == "text"
    assert page.get_attribute("#reveal", "aria-pressed") == "true"


# -- the start ---------------------------------------------------------------------------------


def test_a_card_is_chosen_and_started_with_the_keyboard_alone(hub, page) -> None:
    log_in(page, hub, "keys")
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.name") == "profile":
            break
    assert page.evaluate("document.activeElement.value") == "cpu"
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.value") == "gpu"
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.value") == "cpu", "the unavailable one is left out"
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.name") == "profile-option-gpu--dtype"
    page.select_option("select", "unlisted_choice")
    assert page.is_visible(".unlisted")
    page.select_option("select", "bf16")
    assert not page.is_visible(".unlisted")
    page.focus("#spawn_form button[type=submit]")
    page.keyboard.press("Enter")
    page.wait_for_url("**/user/keys/**")
    options = hub.api("GET", "/users/keys").json()["servers"][""]["user_options"]
    assert options["profile"] == "gpu"
    assert options["profile-option-gpu--dtype"] == "bf16"


def test_a_full_home_changes_nothing_for_the_keyboard_and_offers_to_tidy_up(hub, page) -> None:
    hub.script({"home": FULL_HOME, "refuse": TAKEN})
    log_in(page, hub, "brimful")
    page.focus("#profile-cpu")
    page.keyboard.press("Enter")
    page.wait_for_selector("#refusal")
    hub.script({"home": FULL_HOME})
    page.click("text=Start to tidy up")
    page.wait_for_url("**/user/brimful/**")
    options = hub.api("GET", "/users/brimful").json()["servers"][""]["user_options"]
    assert options == {"rescue": "1"}


def test_all_of_a_card_can_be_pressed(hub, page) -> None:
    log_in(page, hub, "presser")
    press(page, "#about-gpu")
    assert page.is_checked("#profile-gpu")
    press(page, "#about-big")
    assert page.is_checked("#profile-gpu"), "one that is not to be had cannot be chosen"


def press(page, selector: str) -> None:
    """Press what is to be seen at a place, as a finger does, whatever lies over it."""
    box = page.locator(selector).bounding_box()
    page.mouse.click(box["x"] + box["width"] - 5, box["y"] + box["height"] - 5)


def begin(page, hub, seconds: float = 30) -> None:
    hub.script({"seconds": seconds})
    page.click("#spawn_form button[type=submit]")
    page.wait_for_selector("#start .step.current")


def reach(page, hub, stage: str, hold: float = 60) -> None:
    """Let the start go on to a stage and stay there."""
    while page.get_attribute(".step.current", "data-stage") != stage:
        hub.script({"seconds": 0.3})
        page.wait_for_timeout(100)
    hub.script({"seconds": hold})


#: Keeps each step as it becomes the current one, its share of the bar, and what is read out.
RECORD = """() => {
  const steps = document.querySelector(".steps");
  window.recorded = [[], [], []];
  const note = () => {
    const stage = steps.querySelector(".current")?.dataset.stage;
    if (stage && stage !== window.recorded[0].at(-1)) {
      window.recorded[0].push(stage);
      window.recorded[1].push(
        Number(document.querySelector("[role=progressbar]").getAttribute("aria-valuenow")));
      window.recorded[2].push(document.getElementById("said").textContent);
    }
  };
  new MutationObserver(note).observe(steps, { subtree: true, attributes: true });
  note();
}"""


def test_the_steps_come_in_order_with_their_seconds(hub, page) -> None:
    log_in(page, hub, "stepper")
    begin(page, hub)
    page.evaluate(RECORD)
    hub.script({"seconds": 0.8})
    seen, width, said = [], [], []
    while len(seen) < 6:
        seen, width, said = page.evaluate("window.recorded")
        page.wait_for_timeout(50)
    assert seen == ["checking", "gpu", "home", "turn", "creating", "booting"]
    assert width == sorted(width)
    assert all(words.startswith("Step ") for words in said)
    page.wait_for_url("**/user/stepper/**")


def test_a_page_opened_late_shows_the_steps_so_far(hub, page) -> None:
    log_in(page, hub, "late")
    begin(page, hub)
    reach(page, hub, "home")
    page.reload()
    page.wait_for_selector(".step.current[data-stage=home]")
    assert page.locator(".step.done").count() == 2
    assert "_xsrf" not in page.url
    hub.script({})
    page.wait_for_url("**/user/late/**")


def test_a_failed_start_says_why_and_offers_to_try_again(hub, page) -> None:
    log_in(page, hub, "failer")
    begin(page, hub)
    hub.script({"fail": TAKEN})
    page.wait_for_selector("#why")
    assert page.inner_text("#why") == TAKEN
    hub.script({})
    page.click("text=Try again")
    page.wait_for_url("**/hub/spawn/failer*")
    page.click("#spawn_form button[type=submit]")
    page.wait_for_url("**/user/failer/**")


def test_cancelling_ends_this_server_and_no_other(hub, page) -> None:
    log_in(page, hub, "canceller")
    page.click("#spawn_form button[type=submit]")
    page.wait_for_url("**/user/canceller/**")
    page.goto("/hub/home")
    page.fill("#another-name", "second")
    page.click("#another button")
    page.wait_for_url("**/hub/spawn/canceller/second")
    begin(page, hub)
    page.click("#cancel")
    page.wait_for_url("**/hub/home*")
    servers = hub.api("GET", "/users/canceller").json()["servers"]
    assert list(servers) == [""]
    assert servers[""]["ready"]


def test_an_admin_cancels_the_others_start(hub, page) -> None:
    log_in(page, hub, "chief", admin=True)
    hub.person("pupil")
    hub.api("POST", "/users/pupil")
    page.goto("/hub/spawn/pupil")
    begin(page, hub)
    page.click("#cancel")
    page.wait_for_url("**/hub/home*")
    assert hub.api("GET", "/users/pupil").json()["servers"] == {}
    assert page.inner_text(".who") == "chief"


def test_a_hub_restarted_in_the_middle_leads_home_with_words(hub, page) -> None:
    log_in(page, hub, "restarted")
    begin(page, hub)
    reach(page, hub, "gpu")
    hub.stop(signal.SIGKILL)
    page.wait_for_selector("text=The room does not answer at the moment")
    hub.script({})
    hub.start()
    page.wait_for_url("**/hub/home?start=gone", timeout=30_000)
    assert "The start was interrupted" in page.inner_text("main")
    page.click("a.start")
    page.click("#spawn_form button[type=submit]")
    page.wait_for_url("**/user/restarted/**")


def test_home_stops_and_starts(hub, page) -> None:
    log_in(page, hub, "homer")
    page.click("#spawn_form button[type=submit]")
    page.wait_for_url("**/user/homer/**")
    page.goto("/hub/home")
    assert page.inner_text(".state") == "Running"
    hub.script({"stop_seconds": 1})
    page.click("button.stop")
    page.wait_for_selector("a.start")
    assert page.inner_text(".state") == "Not running"


def test_a_token_is_made_and_revoked(hub, page) -> None:
    log_in(page, hub, "maker")
    page.goto("/hub/token")
    page.fill("#note", "for a <script>")
    page.click("#new-token button")
    page.wait_for_selector("#made-token:not(:empty)")
    use = {"headers": {"Authorization": f"token {page.inner_text('#made-token')}"}}
    assert httpx.get(f"{hub.public_url}/hub/api/user", **use).status_code == 200
    page.reload()
    assert "for a <script>" in page.inner_text("main")
    page.click(".revoke")
    page.wait_for_selector("[data-token]", state="detached")
    assert httpx.get(f"{hub.public_url}/hub/api/user", **use).status_code == 403


# -- by eye, and for who does not see ----------------------------------------------------------

LOOKS = [
    pytest.param({"color_scheme": "light", "locale": "en-US", "width": 1200}, id="light"),
    pytest.param({"color_scheme": "dark", "locale": "en-US", "width": 1200}, id="dark"),
    pytest.param({"color_scheme": "light", "locale": "zh-CN", "width": 1200}, id="chinese"),
    pytest.param({"color_scheme": "light", "locale": "en-US", "width": 360}, id="phone"),
    pytest.param({"color_scheme": "dark", "locale": "zh-CN", "width": 360}, id="chinese-phone"),
]


@pytest.mark.parametrize("look", LOOKS)
def test_every_page_is_accessible_and_fits(hub, engine, look, request) -> None:
    """No violation of axe, nothing wider than the window, and a picture of each page kept."""
    width, name = look["width"], request.node.callspec.id
    options = {key: value for key, value in look.items() if key != "width"}
    for page in open_page(hub, engine, viewport={"width": width, "height": 800}, **options):
        for step in walk(page, hub, f"eye-{name}"):
            check(page, f"{name}-{step}")


def walk(page, hub, login: str):
    """Go through the pages; yield the name of each when it is there."""
    page.goto("/hub/login")
    yield "login"
    page.fill("#token", "no token")
    page.click("#submit")
    page.wait_for_selector("#why")
    yield "login-refused"
    log_in(page, hub, login, admin=True)
    page.check("#profile-gpu", force=True)
    yield "start"
    begin(page, hub)
    reach(page, hub, "home")
    yield "progress"
    hub.script({"fail": TAKEN})
    page.wait_for_selector("#why")
    yield "failed"
    hub.script({})
    page.goto("/hub/spawn")
    page.click("#spawn_form button[type=submit]")
    page.wait_for_url(f"**/user/{login}/**")
    page.goto("/hub/home")
    yield "home-running"
    hub.script({"stop_seconds": 2})
    page.click("button.stop")
    page.wait_for_timeout(300)
    page.goto(f"/hub/spawn-pending/{login}")
    yield "stopping"
    page.goto("/hub/home")
    page.wait_for_selector("a.start")
    yield "home"
    hub.script({"home": FULL_HOME})
    page.goto("/hub/spawn")
    yield "start-full"
    page.click("#home-warning a")
    page.wait_for_selector("#usage")
    yield "home-usage"
    hub.script({})
    page.goto("/hub/token")
    yield "tokens"
    page.goto("/hub/nothing")
    yield "nothing"
    page.goto(link(hub, f"{login}-2"))
    page.wait_for_selector("[name=switch]", state="attached")
    yield "switch"


def check(page, name: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=ARTIFACTS / f"{name}.png", full_page=True)
    found = Axe().run(page).response["violations"]
    told = [(v["id"], [node["html"][:120] for node in v["nodes"]]) for v in found]
    assert told == [], name
    too_wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert too_wide <= 0, f"{name} is {too_wide} px wider than its window"


# -- the page of people ------------------------------------------------------------------------


@pytest.mark.parametrize(("role", "starts"), [("instructor", True), ("assistant", False)])
def test_staff_find_their_class_and_no_button_that_would_only_refuse_them(
    page, hub, role, starts
) -> None:
    class_name = f"class-of-{role}"
    student = Browser(hub)
    student.log_in(hub.person(f"student-of-{role}", class_name))
    hub.people.add(role, [class_name], role=role)
    log_in(page, hub, role)
    page.get_by_role("link", name="Admin").click()
    page.locator(".user-row").nth(1).wait_for()
    assert page.locator(".user-row").count() == 2
    assert page.get_by_test_id(f"user-name-div-student-of-{role}").is_visible()
    for name in ("Shutdown Hub", "Add Users", "Manage Groups", "Edit User"):
        assert page.get_by_role("button", name=name).count() == 0, "also for who listens to it"
    assert page.get_by_role("button", name="Stop All").is_visible()
    assert (page.get_by_role("button", name="Start Server").count() > 0) == starts


def test_an_admin_finds_every_button(page, hub) -> None:
    log_in(page, hub, "chief", admin=True)
    page.get_by_role("link", name="Admin").click()
    for name in ("Shutdown Hub", "Add Users", "Start All"):
        page.get_by_role("button", name=name).wait_for()
