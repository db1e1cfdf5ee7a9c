"""Make docs/package-index.md, the README as a package index shows it.

    python tests/helpers/index_page.py

An index shows one text and has no other file of the project, so what the README links to in the checkout
would lead nowhere: pictures become their descriptions, and links the paths in the source distribution.
"""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "docs" / "package-index.md"
NOTE = "\n*Pages that are named in brackets are in the source distribution.*\n"


def page(readme: str) -> str:
    """The text for an index.

    :param readme: the text of README.md
    """
    without_pictures = re.sub(r"!\[(.+?)\]\((?!https:)[^)]+\)", r"*\1*", readme)
    text = re.sub(r"(?<!!)\[([^\]]+)\]\((?!https:)([^)]+)\)", _named, without_pictures)
    head, line, rest = text.partition("\n")
    return head + line + NOTE + rest


def _named(link: re.Match[str]) -> str:
    name, target = link.groups()
    if name == target:
        return f"`{name}`"
    # The source distribution has no tests.
    return name if target.startswith("tests/") else f"{name} [`{target}`]"


if __name__ == "__main__":
    PAGE.write_text(page((ROOT / "README.md").read_text(encoding="utf-8")), encoding="utf-8")
