"""room.example.yaml and the reference say what the schema says, all of it, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from room.settings import Settings, load
from tools import reference

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "room.example.yaml"


def schema_keys(model=Settings):
    """Yield every key of the schema, as ``profiles.slug``."""
    for name, field in model.model_fields.items():
        yield name
        inner = reference._model(field.annotation)
        if inner is not None and field.annotation is not dict:
            yield from (f"{name}.{below}" for below in schema_keys(inner))


def uncommented(text: str) -> str:
    """Return the example with every key that stands behind a # switched on."""
    head, _, body = text.partition("\n\n")
    assert all(line.startswith("#") for line in head.splitlines())
    return re.sub(r"^(\s*)#(?! \S|$)", r"\1", body, flags=re.MULTILINE)


def test_written_files_are_current():
    stale = [p.name for p, text in reference.pages().items() if p.read_text() != text]
    assert stale == [], "run: python tools/reference.py"


def test_example_is_the_defaults():
    assert load(EXAMPLE) == Settings()


def test_example_with_every_key_on_is_known_to_the_schema():
    Settings.model_validate(yaml.safe_load(uncommented(EXAMPLE.read_text())))


def test_every_key_of_the_schema_stands_in_the_example():
    text = uncommented(EXAMPLE.read_text())
    present = set(re.findall(r"^\s*(?:- )?([a-z_]+):", text, re.MULTILINE))
    missing = {key.rpartition(".")[2] for key in schema_keys()} - present
    assert missing == set()


def test_every_key_outside_the_profile_example_is_explained():
    lines = EXAMPLE.read_text().splitlines()
    keys = re.compile(r"\s*#?\s*[a-z_]+:")
    start = lines.index("#profiles:")
    end = lines.index("images:")
    for number, line in enumerate(lines):
        if keys.match(line) and not re.match(r"\s*# \S", line) and not start < number < end:
            assert re.match(r"\s*#(  )?\s*\S", lines[number - 1]), line


def test_every_key_has_a_meaning_in_the_reference():
    for model in (Settings, *reference.TITLES):
        for name, field in model.model_fields.items():
            assert field.description, f"{model.__name__}.{name}"


def test_no_section_is_missing_from_the_reference():
    def sections(model):
        for field in model.model_fields.values():
            inner = reference._model(field.annotation)
            if inner is not None:
                yield inner
                yield from sections(inner)

    assert set(sections(Settings)) == set(reference.TITLES)


def test_links_in_the_reference_lead_somewhere():
    text = reference.reference()
    anchors = {h.replace(".", "") for h in re.findall(r"^## (\S+)$", text, re.MULTILINE)}
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= anchors
