import re
from pathlib import Path

import pytest
from babel.messages.pofile import read_po
from jinja2 import Environment, nodes

from spawner import i18n
from spawner.i18n import LANGUAGES, catalogue, choose
from spawner.pages import TEMPLATES, Tools
from tests.utils.messages import PACKAGES, ROOT, extracted

OTHERS = [language for language in LANGUAGES if language != "en"]
PLACE = re.compile(r"%\(\w+\)s|\{\w+\}|<[^>]+>")
#: What a page may show in any language: signs, and what is a name.
NEUTRAL = re.compile(r"[\s·:()+\-–—…|/,.&;]*|UTC")  # noqa: RUF001


def po(package: str, language: str):
    catalogue = ROOT / package / "locale" / language / "LC_MESSAGES" / "torchroom.po"
    with catalogue.open("rb") as file:
        return read_po(file, locale=language)


@pytest.mark.parametrize("package", PACKAGES)
@pytest.mark.parametrize("language", OTHERS)
def test_every_text_has_its_translation_and_keeps_its_values(package, language) -> None:
    translations = po(package, language)
    for message, files in extracted(package).items():
        found = translations.get(message[0] if isinstance(message, tuple) else message)
        assert found is not None, f"{message!r} of {files} is not in {language}"
        forms = found.string if isinstance(found.string, tuple) else (found.string,)
        source = message[-1] if isinstance(message, tuple) else message
        for form in forms:
            assert form, f"{message!r} of {files} is not translated"
            assert sorted(PLACE.findall(form)) == sorted(PLACE.findall(source)), form
        assert not found.fuzzy, f"{message!r} is marked fuzzy"


@pytest.mark.parametrize("package", PACKAGES)
@pytest.mark.parametrize("language", OTHERS)
def test_no_translation_is_of_a_text_that_is_gone(package, language) -> None:
    said = {m[0] if isinstance(m, tuple) else m for m in extracted(package)}
    kept = {m.id[0] if isinstance(m.id, tuple) else m.id for m in po(package, language) if m.id}
    assert kept - said == set()


def visible(path: Path) -> list[str]:
    """Return what a template shows that is the same in every language."""
    environment = Environment(autoescape=True, extensions=[i18n.Translations, Tools])
    tree = environment.parse(path.read_text("utf-8"))
    source = "".join(part.data for part in tree.find_all(nodes.TemplateData))
    source = re.sub(r"<(script|style)\b.*?</\1>", "", source, flags=re.DOTALL)
    attributes = re.findall(r'\b(?:title|alt|placeholder|aria-label)="([^"]+)"', source)
    return [text for text in [*re.split(r"<[^>]*>", source), *attributes] if text.strip()]


PAGES = sorted([*TEMPLATES.glob("*.html"), *(ROOT / "console" / "templates").glob("*.html")])


@pytest.mark.parametrize("path", PAGES, ids=lambda path: f"{path.parts[-3]}/{path.name}")
def test_no_template_says_anything_that_is_not_to_be_translated(path) -> None:
    for text in visible(path):
        # What is left of a tag around an expression is no text.
        rest = re.sub(r'^[^<>]*"[^<>]*>|<[^<>]*$|"[^"]*"?', "", text)
        rest = re.sub(r"\b[\w-]+=|>|\b(checked|selected|disabled|hidden|autofocus)\b", "", rest)
        assert NEUTRAL.fullmatch(rest.strip()), f"{path.name}: {text!r}"


@pytest.mark.parametrize(
    ("cookie", "header", "default", "chosen"),
    [
        pytest.param("zh_CN", "en-US,en", "en", "zh_CN", id="the switch decides"),
        pytest.param("xx", "en", "zh_CN", "en", id="an unknown cookie does not"),
        pytest.param(None, "zh-CN,zh;q=0.9,en;q=0.8", "en", "zh_CN", id="browser in Chinese"),
        pytest.param(None, "zh-TW", "en", "zh_CN", id="any Chinese"),
        pytest.param(None, "fr,en;q=0.5,zh;q=0.7", "en", "zh_CN", id="by weight"),
        pytest.param(None, "zh;q=0,en", "zh_CN", "en", id="weight nought is a refusal"),
        pytest.param(None, "fr-FR,de", "zh_CN", "zh_CN", id="else the room's"),
        pytest.param(None, "", "en", "en", id="no header"),
        pytest.param(None, ";;q=,,x" * 500, "en", "en", id="nonsense"),
        pytest.param(None, "", "xx", "en", id="a default that is not there"),
    ],
)
def test_the_language_is_chosen(cookie, header, default, chosen) -> None:
    assert choose(cookie, header, default) == chosen


def test_the_catalogue_is_compiled_from_its_source() -> None:
    assert catalogue("zh_CN").gettext("Sign out") == "退出"
    assert catalogue("zh_CN").ngettext("%(count)s GPU", "%(count)s GPUs", 2) == "%(count)s 个 GPU"
    assert catalogue("en").gettext("Sign out") == "Sign out"
