"""Encoded details that an earlier report made: records are opened again only where one has changed."""

from __future__ import annotations

import hashlib
import inspect
import logging
import zlib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

import softmode
from softmode.errors import StorageError
from softmode.files import write_atomically
from softmode.measurements.registry import measurements
from softmode.records import digest_of, record_stamp

logger = logging.getLogger(__name__)

#: In the study's folder; safe to delete.
FILE = "cache/details.txt"


def part_key(made_from: object, records: Iterable[str]) -> str:
    """What a part is kept under: the code that makes it, what it is made from, and the state of its records.

    Parameters
    ----------
    made_from : object
        JSON-able.
    records : iterable of str
        Files of records, packed or not, those that do not exist among them.
    """
    return digest_of([_code(), made_from, [record_stamp(path) for path in records]])


@cache
def _code() -> str:
    """Digest of softmode's sources, and of those of measurements of other packages."""
    files = set(Path(softmode.__file__).parent.rglob("*.py"))
    files |= {Path(inspect.getfile(one.function)) for one in measurements().values()}
    total = hashlib.sha256()
    for file in sorted(files):
        total.update(file.read_bytes())
    return total.hexdigest()


def read_parts(folder: Path) -> dict[str, str]:
    """Parts that are kept in a study's folder, by key; damaged ones are left out."""
    try:
        lines = (folder / FILE).read_text(encoding="ascii").splitlines()
    except (OSError, ValueError):
        return {}
    found = (line.split(" ") for line in lines)
    return {line[1]: line[2] for line in found if len(line) == 3 and line[0] == _sum(line[1], line[2])}


def keep_parts(folder: Path, parts: Mapping[str, str]) -> None:
    """Keep parts for the next report; a folder that cannot be written costs time only."""
    text = "".join(f"{_sum(key, part)} {key} {part}\n" for key, part in parts.items())
    try:
        write_atomically(folder / FILE, text.encode("ascii"))
    except StorageError as error:
        logger.debug("%s", error)


def _sum(key: str, part: str) -> str:
    return f"{zlib.crc32(part.encode(), zlib.crc32(key.encode())):08x}"
