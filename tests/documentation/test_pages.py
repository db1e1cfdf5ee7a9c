"""Links, tables, and what one page says of another or of the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from bad_wheels import CASES
from checkout import ROOT
from pages import PAGES, README, without_blocks

import muslfix
from muslfix.cli.dispatch import _COMMANDS

EACH_PAGE = pytest.mark.parametrize("page", PAGES)


def anchors(path: Path) -> set[str]:
    """What a link can lead to in a page, those of an included file too."""
    text = path.read_text(encoding="utf-8")
    for name in re.findall(r"^```\{include\} (\S+)$", text, re.MULTILINE):
        text += (path.parent / name).read_text(encoding="utf-8")
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@EACH_PAGE
def test_links_lead_somewhere(page: str) -> None:
    for link in re.findall(r"\]\(([^)]+)\)", without_blocks(PAGES[page])):
        name, _, anchor = link.partition("#")
        if "://" in link:
            continue
        path = (ROOT / page).parent / name if name else ROOT / page
        assert path.exists(), link
        assert path.resolve().is_relative_to(ROOT), link
        assert not anchor or anchor in anchors(path), link


@EACH_PAGE
def test_each_row_of_a_table_has_its_columns(page: str) -> None:
    for found in re.findall(r"(?:^\|.*\|\n)+", PAGES[page], re.MULTILINE):
        counts = {len(re.findall(r"(?<!\\)\|", row)) for row in found.rstrip().split("\n")}
        assert len(counts) == 1, found


@EACH_PAGE
def test_no_chapter_stands_twice(page: str) -> None:
    if page != "CHANGELOG.md":
        headings = re.findall(r"^#+ .+$", without_blocks(PAGES[page]), re.MULTILINE)
        assert sorted(headings) == sorted(set(headings))


def test_every_page_can_be_found() -> None:
    index = re.findall(r"^[a-z-]+$", PAGES["docs/index.md"], re.MULTILINE)
    pages = [Path(page).stem for page in PAGES if page.startswith("docs/") and page != "docs/index.md"]
    assert sorted(index) == sorted(pages)
    made_from = {"contributing": "CONTRIBUTING.md", "changelog": "CHANGELOG.md", "security": "SECURITY.md"}
    for page in pages:
        assert made_from.get(page, f"docs/{page}.md") in README, f"the README does not lead to {page}"


def test_the_reference_names_all_that_the_library_offers() -> None:
    page = PAGES["docs/api.md"]
    named = re.findall(r"^\.\. auto\w+:: (\w+)$", page, re.MULTILINE)
    assert sorted(named) == sorted(set(muslfix.__all__) - {"__version__"})


@EACH_PAGE
def test_the_files_that_are_named_are_there(page: str) -> None:
    named = re.findall(r"`(?:python[\d.]* )?((?:tests|fixtures|src|docs)/[\w./]+\.\w+)", PAGES[page])
    assert [path for path in named if not (ROOT / path).is_file()] == []
    assert len(named) > 10 or page != "SECURITY.md"


def test_security_counts_the_bad_wheels() -> None:
    assert f"The tests refuse all {len(CASES)};" in PAGES["SECURITY.md"]


def test_the_changelog_names_every_command_and_this_version() -> None:
    text = PAGES["CHANGELOG.md"]
    assert [name for name in _COMMANDS if f"`muslfix {name}" not in text and f"`{name}`" not in text] == []
    version = re.escape(muslfix.__version__)
    assert re.search(rf"^## \[{version}\] - \d{{4}}-\d\d-\d\d$", text, re.MULTILINE)


def test_the_picture_of_the_architecture_has_every_package() -> None:
    picture = PAGES["docs/architecture.md"].partition("```text\n")[2].partition("```")[0]
    source = ROOT / "src" / "muslfix"
    rooms = {path.parent.name for path in source.glob("*/__init__.py")}
    rooms |= {path.stem for path in source.glob("*.py")}
    assert rooms <= {word.rstrip("/") for word in picture.split()}
