"""What people read: the README and the manual, their blocks and tables."""

from __future__ import annotations

import re

from checkout import ROOT

#: The text of each page, by its path in the checkout; the README as an index shows it is no page of its own.
PAGES = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in (*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md")))
    if path.name != "package-index.md"
}
README = PAGES["README.md"]

#: What users read: all but the pages about the project itself.
MANUAL = {
    name: text
    for name, text in PAGES.items()
    if name not in ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
}


def blocks(language: str, *pages: str) -> list[str]:
    """The code blocks in one language, each once.

    :param language: ``console``, ``python``, ...
    :param pages: paths of pages; none: all of them
    """
    texts = [PAGES[page] for page in pages] if pages else list(PAGES.values())
    found = [re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL) for text in texts]
    return list(dict.fromkeys(block for part in found for block in part))


def without_blocks(text: str) -> str:
    """A page without its code blocks."""
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def table(page: str, heading: str) -> list[list[str]]:
    """The rows of the table below a heading of the second level, without their head."""
    text = PAGES[page].partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\|(.+)\|$", re.split(r"\n\n(?!\|)", text.partition("\n|")[2])[0], re.MULTILINE)
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)] for row in rows[1:]]
