"""The documentation site: `scripts/nox.sh -s docs` builds it, and a warning is an error."""

from __future__ import annotations

from importlib.metadata import version as version_of

project = "target-omnisend"
author = "The authors of target-omnisend"
copyright = author  # noqa: A001 - Sphinx's name
release = version_of("target-omnisend")

extensions = ["myst_parser"]
myst_heading_anchors = 3  # as GitHub makes them
nitpicky = True
exclude_patterns = ["conf.py"]

html_theme = "furo"
html_title = "target-omnisend"
html_copy_source = False
html_extra_path = ["../target_omnisend/target-omnisend.schema.json"]
html_show_sourcelink = False
html_show_copyright = False
html_last_updated_fmt = None
