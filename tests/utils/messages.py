"""Every text of the pages that is to be translated, read from its sources."""

from __future__ import annotations

from pathlib import Path

from babel.messages.extract import extract_from_dir

ROOT = Path(__file__).parents[2]
#: The packages that have pages, each with catalogues of its own.
PACKAGES = ("spawner", "console", "cli")


#: Whose pages say what rules say, part by part: they remember how (``room/said.py``).
SAYS_RULES = {"console": ("console", "room"), "cli": ("room/rehearsal",)}
SAID = {"said": None}


def extracted(package: str) -> dict[str | tuple[str, ...], list[str]]:
    """Return each message, a pair for a plural, with the files that say it."""
    found: dict[str | tuple[str, ...], list[str]] = {}
    messages = extract_from_dir(
        ROOT / package,
        method_map=[
            ("templates/**.html", "jinja2.ext:babel_extract"),
            ("words.py", "python"),
            ("told_*.py", "python"),
        ],
        options_map={"templates/**.html": {"silent": "false", "newstyle_gettext": "true"}},
        keywords={"_": None, "N_": None, "gettext": None, "ngettext": (1, 2)},
    )
    for file, _line, message, _comments, _context in messages:
        found.setdefault(message, []).append(f"{package}/{file}")
    for folder in SAYS_RULES.get(package, ()):
        said = extract_from_dir(ROOT / folder, method_map=[("**.py", "python")], keywords=SAID)
        for file, _line, message, _comments, _context in said:
            found.setdefault(message, []).append(f"{folder}/{file}")
    return found
