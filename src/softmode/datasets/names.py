"""Order of names."""

from __future__ import annotations

import re


def natural_key(name: str) -> tuple[tuple[int, int, str], ...]:
    """Sort key under which ``mp-9`` comes before ``mp-10``."""
    parts = (part for part in re.split(r"(\d+)", name) if part)
    return tuple((0, int(p), "") if p.isdecimal() else (1, 0, p) for p in parts)
