"""Bring the catalogues up to the templates: ``python -m tools.translations``.

New texts come in untranslated, and ``tests/unit/test_i18n.py`` fails until they are;
texts that nothing says any more go.
"""

from __future__ import annotations

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po, write_po

from room.languages import DOMAIN, LANGUAGES
from tests.utils.messages import PACKAGES, ROOT, extracted

#: What Babel writes into a header and no reader of it needs.
IDLE = (b'"Report-Msgid', b'"POT-Creation', b'"Last-Translator', b'"Language-Team', b'"Generated')


def template(package: str) -> Catalog:
    """Return every text of a package's pages, with the files that say it."""
    catalog = Catalog(domain=DOMAIN, project="Torchroom")
    for message, files in extracted(package).items():
        catalog.add(message, locations=[(file, None) for file in sorted(set(files))])
    return catalog


def update(package: str, language: str) -> int:
    """Rewrite one catalogue; return how many texts wait for their translation."""
    path = ROOT / package / "locale" / language / "LC_MESSAGES" / f"{DOMAIN}.po"
    with path.open("rb") as file:
        catalog = read_po(file, locale=language, domain=DOMAIN)
    catalog.update(template(package), no_fuzzy_matching=True)
    with path.open("wb") as file:
        write_po(file, catalog, width=100, ignore_obsolete=True, sort_by_file=True)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(line for line in lines if not line.startswith(IDLE)))
    return sum(1 for message in catalog if message.id and not message.string)


def main() -> None:
    for package in PACKAGES:
        for language in LANGUAGES:
            if language != "en":
                print(f"{package}, {language}: {update(package, language)} to translate")


if __name__ == "__main__":
    main()
