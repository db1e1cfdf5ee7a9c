"""Sphinx's settings for the manual and the API reference: ``nox -s docs`` builds both."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

import muslfix

project = "muslfix"
author = "The muslfix developers"
version = release = muslfix.__version__

ROOT = Path(__file__).parents[1]

extensions = ["myst_parser", "sphinx.ext.autodoc"]
html_theme = "furo"
html_show_copyright = False
html_show_sphinx = False
exclude_patterns = ["pictures", "package-index.md"]

myst_heading_anchors = 3

autodoc_default_options = {"members": True}
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
autodoc_member_order = "bysource"
add_module_names = False

# A public name that is not found is an error. Internal and foreign ones are not looked up: the reference does
# not have the former, and the latter would need a network.
nitpicky = True
nitpick_ignore_regex = [("py:.*", r"(?!muslfix\.\w+$).*")]

#: Pages that are made from a file of the checkout. What is in ``docs`` points to it, and may add toctrees.
PAGES = {
    "index": "README.md",
    "contributing": "CONTRIBUTING.md",
    "security": "SECURITY.md",
    "changelog": "CHANGELOG.md",
}


class AllOptions(SphinxDirective):
    """``{all-options}``: the help of each command, as the program prints it."""

    def run(self) -> list[nodes.Node]:
        """A section for each command that the overview names."""
        sections: list[nodes.Node] = []
        for command in re.findall(r"^  (\w+) {2,}\S", _help("--help"), re.MULTILINE):
            section = nodes.section(ids=[f"options-of-{command}"])
            section += nodes.title(text=f"muslfix {command}")
            section += nodes.literal_block(text=_help(command, "--help"), language="none")
            sections.append(section)
        return sections


def _help(*words: str) -> str:
    """What muslfix prints, at a width that fits on a page."""
    command = [sys.executable, "-m", "muslfix", *words]
    environment = {**os.environ, "COLUMNS": "90", "NO_COLOR": "1"}
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout


def read_page(_app: Sphinx, docname: str, source: list[str]) -> None:
    """Take a page from the file that it is made from, and let links to the checkout lead to pages."""
    text = source[0]
    if docname in PAGES:
        contents = re.findall(r"^```\{toctree\}\n.*?^```\n", text, re.MULTILINE | re.DOTALL)
        text = Path(ROOT, PAGES[docname]).read_text(encoding="utf-8")
        text = re.sub(r"\]\((?!\w+:|#)([^)\n]+)\)", r"](../\1)", text).replace("](../docs/", "](")
        text = "\n".join([text, *contents])
    for page, file in PAGES.items():
        text = text.replace(f"](../{file})", f"]({page}.md)")
    # Other files of the checkout can be downloaded.
    source[0] = re.sub(r"(?<!!)\[([^]\n]+)\]\((\.\./[^)\n]+)\)", r"{download}`\1 <\2>`", text)


def setup(app: Sphinx) -> None:
    """Name the public classes and functions by where they are imported from, and add the directive."""
    for name in muslfix.__all__:
        if not name.startswith("__"):
            getattr(muslfix, name).__module__ = "muslfix"
    app.add_directive("all-options", AllOptions)
    app.connect("source-read", read_page)
