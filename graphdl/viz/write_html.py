"""One self-contained HTML file: pan, zoom, search, and folded groups that open on a click.

Every view (the whole at several depths, and the inside of every folded group) is laid out
beforehand, so the file needs neither a server nor a network.
"""

from __future__ import annotations

import html
import json
from collections.abc import Mapping
from pathlib import Path

_PAGE = Path(__file__).with_name("viewer.html")


def html_text(title: str, views: Mapping[str, str], opens: Mapping[str, str], first: str) -> str:
    """The page.

    views: SVG text by view name. opens: view name by the id of the box that opens it.
    """
    data = {"views": dict(views), "opens": dict(opens), "first": first}
    page = _PAGE.read_text(encoding="utf-8")
    literal = json.dumps(data).replace("<", "\\u003c")
    return page.replace("__TITLE__", html.escape(title)).replace("__DATA__", literal)
