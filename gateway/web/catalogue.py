"""Brings the message catalogues up to date with the sources: `python -m gateway.web.catalogue`.

New messages arrive untranslated (a test fails until they are translated), old ones go. Indonesian has one plural form;
Babel would write two.
"""

from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from gateway.web.language import LANGUAGES, LOCALE

WEB = Path(__file__).parent
METHODS = [("**.py", "python"), ("templates/**.html", "jinja2")]
OPTIONS = {"templates/**.html": {"trim_blocks": "true", "lstrip_blocks": "true"}}
KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2), "n_": (1, 2), "told": None}
PLURALS = "nplurals=1; plural=0;"
HEADER = "# Siaga in Bahasa Indonesia. Kept by `python -m gateway.web.catalogue`; licence Apache-2.0, as the sources."


def extracted() -> Catalog:
    """Every message in the sources, with where it is."""
    catalog = Catalog(project="Siaga", charset="utf-8", locale="id")
    found = extract_from_dir(WEB, METHODS, OPTIONS, keywords=KEYWORDS)
    for file, _line, message, comments, context in found:
        catalog.add(message, locations=[(file, 0)], auto_comments=comments, context=context)
    return catalog


def update() -> None:
    """Merge the sources' messages into each catalogue."""
    for name in LANGUAGES:
        path = LOCALE / name / "LC_MESSAGES" / "messages.po"
        if name == "en":
            continue
        old = Catalog(locale=name, header_comment=HEADER)
        if path.exists():
            with path.open("rb") as source:
                old = read_po(source, locale=name)
        old.header_comment, old.fuzzy = HEADER, False
        old.update(extracted(), no_fuzzy_matching=True)
        old.obsolete.clear()
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as target:
            write_po(target, old, omit_header=False, width=120, include_lineno=False, sort_output=True)
        text = path.read_text("utf-8")
        lines = [
            f'"Plural-Forms: {PLURALS}\\n"' if line.startswith('"Plural-Forms:') else line for line in text.splitlines()
        ]
        dated = (
            '"Project-Id',
            '"Report-Msgid',
            '"Language-Team',
            '"POT-Creation-Date',
            '"PO-Revision-Date',
            '"Generated-By',
            '"Last-Translator',
        )
        kept = [line for line in lines if not line.startswith(dated)]
        path.write_text("\n".join(kept) + "\n", "utf-8")


if __name__ == "__main__":
    update()
