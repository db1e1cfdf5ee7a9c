"""Sphinx's settings for the API reference, which ``nox -s docs`` builds from the docstrings."""

from __future__ import annotations

import muslfix

project = "muslfix"
author = "The muslfix developers"
version = release = muslfix.__version__

extensions = ["sphinx.ext.autodoc", "sphinx.ext.viewcode"]
html_theme = "alabaster"
html_show_copyright = False

autodoc_default_options = {"members": True, "show-inheritance": True, "ignore-module-all": True}
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
add_module_names = False

# A name of our own that is not found is an error; those of others are not looked up: that needs a network.
nitpicky = True
nitpick_ignore_regex = [(r"py:.*", r"(?!muslfix\.).*"), (r"py:.*", r"muslfix\.(.+\.)?_.*")]
# Type variables have no place of their own.
nitpick_ignore = [("py:class", "muslfix.parallel.Item"), ("py:class", "muslfix.parallel.Result")]
