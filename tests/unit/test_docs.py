"""The documentation is true: links lead somewhere, commands exist, pages of code are current."""

from __future__ import annotations

import re
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest

from bench import report
from cli.state import SECRETS
from room import models
from spawner.authenticator import TokenAuthenticator
from spawner.spawner import RoomSpawner
from tests.utils import documented
from tests.utils.markdown import ROOT, Page, commands
from tools import reference_code

#: Bytes of one picture.
LARGEST_PICTURE = 200_000


def pages() -> list[Page]:
    """Return every Markdown page of the project."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    return [Page(ROOT / name) for name in sorted(set(listed.split())) if (ROOT / name).exists()]


PAGES = pages()
BY_NAME = {str(page): page for page in PAGES}
each_page = pytest.mark.parametrize("page", PAGES, ids=str)


def test_the_pages_that_there_must_be_are_there():
    wanted = {
        *("README.md", "README.zh-CN.md", "CHANGELOG.md", "CONTRIBUTING.md", "docs/index.md"),
        "docs/tutorials/first-class.md",
        *(f"docs/how-to/{name}.md" for name in ("add-people", "gpus", "https", "oauth")),
        *(f"docs/how-to/{name}.md" for name in ("mirrors-and-site-ca", "upgrade-and-backup")),
        *(f"docs/reference/{name}.md" for name in ("cli", "room.yaml", "spawner-traits")),
        *(f"docs/explanation/{name}.md" for name in ("architecture", "security")),
    }
    assert wanted <= BY_NAME.keys()


def leads_somewhere(page: Page, target: str) -> bool:
    """Say whether a link's file is there, and in it the heading; other sites are not asked."""
    if re.match(r"[a-z]+:", target):
        return True
    path, _, anchor = target.partition("#")
    file = (page.path.parent / path).resolve() if path else page.path
    if not file.exists() or ROOT not in (file, *file.parents):
        return False
    return not anchor or anchor in Page(file).anchors()


# -- links -------------------------------------------------------------------------------------


@each_page
def test_links_lead_somewhere(page):
    dead = [link.target for link in page.links() if not leads_somewhere(page, link.target)]
    assert dead == []


def test_every_page_of_docs_is_reached_from_its_index():
    seen, todo = set(), [ROOT / "docs" / "index.md"]
    while todo:
        path = todo.pop()
        if path in seen or path.suffix != ".md":
            continue
        seen.add(path)
        for link in Page(path).links():
            target = (path.parent / link.target.partition("#")[0]).resolve()
            if target.is_file():
                todo.append(target)
    missing = [str(page) for page in PAGES if page.path not in seen and "docs/" in str(page)]
    assert missing == []


@each_page
def test_a_page_has_one_title_and_skips_no_level_of_headings(page):
    levels = [level for level, _ in page.headings()]
    assert levels, "no heading"
    assert [n for n, level in enumerate(levels) if level == 1] == [0]
    assert all(deeper <= level + 1 for level, deeper in pairwise(levels))


# -- commands and paths ------------------------------------------------------------------------


def told(page: Page) -> list[str]:
    """Return the commands of ours that a page tells people to type."""
    return [command for line in commands(page) for command in documented.ours(line)]


@each_page
def test_commands_exist_with_their_options(page):
    assert [wrong for command in told(page) if (wrong := documented.problem(command))] == []


@pytest.mark.parametrize(
    ("page", "least"),
    [("README.md", 12), ("docs/how-to/add-people.md", 8), ("docs/tutorials/first-class.md", 10)],
)
def test_commands_are_found_at_all(page, least):
    assert len(told(BY_NAME[page])) >= least


@pytest.mark.parametrize(
    ("line", "found"),
    [
        pytest.param("sudo room status", ["room status"], id="sudo"),
        pytest.param("$ ROOM_SIMULATE_GPUS=4 make up", ["make up"], id="prompt-and-variable"),
        pytest.param("make up && room smoke", ["make up", "room smoke"], id="two"),
        pytest.param(".venv/bin/room doctor   what is wrong", ["room doctor"], id="explained"),
        pytest.param('x "$(room user link mei)"', ["room user link mei"], id="substituted"),
        pytest.param("room.yaml", [], id="file"),
        pytest.param("the room works", [], id="prose"),
    ],
)
def test_a_command_of_ours_is_recognised(line, found):
    assert documented.ours(line) == found


@pytest.mark.parametrize(
    ("command", "wrong"),
    [
        pytest.param("room up --simulate-gpus 4", False, id="good"),
        pytest.param("room user add alice --class ml101", False, id="good-group"),
        pytest.param("room completion bash > x", False, id="redirected"),
        pytest.param('make up ARGS="--enable-cdi"', False, id="make-arguments"),
        pytest.param("room user link <admin>", False, id="placeholder"),
        pytest.param("room open", True, id="no-command"),
        pytest.param("room user invite alice", True, id="no-inner-command"),
        pytest.param("room up --fast", True, id="no-option"),
        pytest.param("room user link --once", True, id="argument-missing"),
        pytest.param("room user link a b", True, id="argument-too-much"),
        pytest.param("room user link alice --expires soon", True, id="bad-value"),
        pytest.param("room completion tcsh", True, id="bad-choice"),
        pytest.param("make everything", True, id="no-target"),
        pytest.param("make up OPTIONS=-x", True, id="no-variable"),
        pytest.param('make up ARGS="--fast"', True, id="bad-make-arguments"),
    ],
)
def test_what_is_wrong_with_a_command_is_found(command, wrong):
    assert bool(documented.problem(command)) == wrong


PACKAGES = "room|engine|spawner|agent|server|cli|images|ansible|tests|tools|bench|docs|requirements"


@each_page
def test_files_of_the_project_that_are_named_exist(page):
    bases = (ROOT, page.path.parent)
    named = [c for c in page.inline() if re.fullmatch(rf"(?:{PACKAGES})/[\w./-]+", c)]
    # What make bench writes is in no checkout.
    named = [name for name in named if not name.startswith("bench/results")]
    assert [n for n in named if not any((base / n).exists() for base in bases)] == []


# -- pages made from code ----------------------------------------------------------------------


def test_pages_made_from_code_are_current():
    stale = [p.name for p, text in reference_code.pages().items() if p.read_text() != text]
    assert stale == [], "run: python tools/reference_code.py"


@pytest.mark.parametrize("cls", [RoomSpawner, TokenAuthenticator])
def test_every_setting_has_help_and_stands_in_the_reference(cls):
    page = (ROOT / "docs" / "reference" / "spawner-traits.md").read_text()
    own = reference_code.own_traits(cls)
    assert own
    for name, trait in own.items():
        assert len(trait.help.split()) >= 3, name
        assert re.search(rf"^### \w+\.{name}$", page, re.MULTILINE), name


def test_settings_that_say_when_they_came_say_it_everywhere():
    for name, trait in reference_code.own_traits(RoomSpawner).items():
        assert ".. versionadded::" in trait.help, name


def test_inherited_settings_that_differ_are_told():
    from dockerspawner import DockerSpawner

    ours, theirs = RoomSpawner(), DockerSpawner()
    groups = reference_code.inherited_traits(RoomSpawner).values()
    # ssl_alt_names has a default for a user only.
    inherited = {name for names in groups for name in names} - {"ssl_alt_names"}

    def plain(spawner, name):
        value = getattr(spawner, name)
        return getattr(value, "__func__", value)

    differing = {name for name in inherited if plain(ours, name) != plain(theirs, name)}
    # options_form differs once there is a profile_list.
    assert differing - {"options_form"} == reference_code.CHANGED.keys() - {"options_form"}


def test_every_command_stands_in_the_reference():
    page = Page(ROOT / "docs" / "reference" / "cli.md")
    titles = {title for _, title in page.headings()}
    words = {" ".join(words) for words, _ in reference_code.commands()}
    assert len(words) > 15
    assert words <= titles


def test_labels_and_secrets_stand_in_the_reference():
    text = (ROOT / "docs" / "reference" / "labels-and-files.md").read_text()
    labels = [value for name, value in vars(models).items() if name.startswith("LABEL_")]
    assert labels
    missing = [name for name in (*labels, *SECRETS) if f"`{name}`" not in text]
    assert missing == []


# -- the two READMEs ---------------------------------------------------------------------------

ENGLISH, CHINESE = BY_NAME["README.md"], BY_NAME["README.zh-CN.md"]


def test_both_readmes_have_the_same_headings():
    levels = [[level for level, _ in page.headings()] for page in (ENGLISH, CHINESE)]
    assert levels[0] == levels[1]
    assert len(levels[0]) > 10


def test_both_readmes_have_the_same_commands():
    assert ENGLISH.fences() == CHINESE.fences()


def test_both_readmes_have_the_same_pictures_and_links():
    def of(page: Page) -> list[str]:
        return [link.target for link in page.links() if "README" not in link.target]

    assert of(ENGLISH) == of(CHINESE)


def test_both_readmes_name_the_same_code():
    assert sorted(ENGLISH.inline()) == sorted(CHINESE.inline())


def test_both_readmes_have_the_same_places_for_what_is_measured():
    # Between the bench marks stands a table that is written into both.
    assert ENGLISH.comments() == CHINESE.comments()


def test_both_readmes_have_the_same_lists_and_tables():
    def shape(page: Page) -> list[str]:
        rows = re.findall(r"^ *(\d+\.|\||[-*]) ", page.prose, re.MULTILINE)
        return [row.strip() for row in rows]

    assert shape(ENGLISH) == shape(CHINESE)


def test_the_readmes_have_the_marks_that_benchmarks_are_written_between():
    for page in (ENGLISH, CHINESE):
        assert report.insert(page.text, "@@").count("@@") == 1


def test_the_readme_says_the_command_that_ci_calls():
    lines = (ROOT / ".ci" / "run").read_text().splitlines()
    called = [line for line in lines if line.startswith("make ")]
    assert len(called) == 1
    assert called[0] in "\n".join(fence.text for fence in ENGLISH.fences())


@pytest.mark.parametrize("page", [ENGLISH, CHINESE], ids=str)
def test_pictures_are_real_small_and_described(page):
    pictures = [link.target for link in page.links() if link.image]
    assert len(pictures) >= 2
    for name in pictures:
        data = (ROOT / name).read_bytes()
        assert data.startswith(b"\x89PNG\r\n"), name
        assert len(data) < LARGEST_PICTURE, name
    assert "![](" not in page.text


def test_no_picture_lies_around_that_no_page_shows():
    shown = {(p.path.parent / link.target).resolve() for p in PAGES for link in p.links()}
    images = Path(ROOT / "docs" / "images").glob("*")
    assert [path.name for path in images if path not in shown] == []
