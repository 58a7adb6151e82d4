"""Small pieces of text that the parts of a report share."""

from __future__ import annotations

import base64
from collections.abc import Mapping

import pandas as pd


def file_name(text: str) -> str:
    """Text as part of a file name: everything but letters, digits and ``-_.`` becomes an underscore."""
    return "".join(character if character.isalnum() or character in "-_." else "_" for character in text)


def percent(share: float | None) -> str:
    """A share in per cent; a dash where there is none."""
    return "–" if share is None or pd.isna(share) else f"{100 * share:.0f} %"


def embedded(
    pictures: Mapping[str, tuple[str, bytes]], beginnings: str | tuple[str, ...]
) -> list[dict[str, str]]:
    """Pictures for a page, inline: those whose name begins with one of `beginnings`.

    Parameters
    ----------
    pictures : mapping of str to (str, bytes)
        Title and PNG by name.
    beginnings : str or tuple of str
        Of the names.
    """
    return [
        {"title": title, "data": base64.b64encode(png).decode()}
        for name, (title, png) in pictures.items()
        if name.startswith(beginnings)
    ]
