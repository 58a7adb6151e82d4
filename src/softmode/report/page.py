"""The page: one file with its document, its app and its style inside; it needs no server and no network."""

from __future__ import annotations

import base64
import gzip
import html
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

from softmode.report.document import Page, document_json

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<div id="app"><noscript>This page is drawn by JavaScript, from what it holds itself: allow it, or read
the tables beside it (<code>tables/*.csv</code>).</noscript></div>
<script type="text/plain" id="softmode-page">{document}</script>
{parts}<script>{app}</script>
</body>
</html>
"""


def packed_document(content: object) -> str:
    """A document or the details of a part as a page holds them: JSON, gzipped, base64."""
    return base64.b64encode(gzip.compress(document_json(content), 6, mtime=0)).decode()


def page_html(page: Page, parts: Sequence[str] = ()) -> str:
    """The whole page.

    Parameters
    ----------
    page : Page
        What it shows.
    parts : sequence of str
        Packed details that lie inside, in order.
    """
    return _PAGE.format(
        title=html.escape(f"{page.title} · softmode".encode("utf-8", "backslashreplace").decode()),
        style=_asset("page.css"),
        app=_asset("page.js"),
        document=packed_document(page),
        parts="".join(
            f'<script type="text/plain" class="softmode-part" data-part="{number}">{part}</script>\n'
            for number, part in enumerate(parts)
        ),
    )


@cache
def _asset(name: str) -> str:
    """The app, or its style, as it may stand inside a page."""
    text = (files("softmode.report") / "assets" / name).read_text(encoding="utf-8")
    return text.replace("</script", "<\\/script").replace("</style", "<\\/style").replace("<!--", "<\\!--")
