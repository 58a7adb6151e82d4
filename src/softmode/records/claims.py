"""Folders that belong to one question: a command refuses to mix the answer to another into them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from softmode.errors import InputDataError
from softmode.files import write_atomically
from softmode.records.record import digest_of

_FILE = "run.json"


def claim_folder(folder: Path, inputs: Mapping[str, Any], what: str, description: Mapping[str, Any]) -> None:
    """Write down what a folder is for; refuse one that is for something else.

    Parameters
    ----------
    folder : Path
        The folder; made if needed.
    inputs : mapping
        What the question is, JSON-able.
    what : str
        What will be in it, for whoever asks something else (``"a map of run.xml"``).
    description : mapping
        What a person may want to know of it.

    Raises
    ------
    InputDataError
        If it is for something else.
    StorageError
        If it cannot be written.
    """
    path, digest = folder / _FILE, digest_of(inputs)
    if path.exists():
        try:
            known: dict[str, Any] = dict(json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, TypeError):
            known = {}  # damaged; what is in the folder says itself what it is
        if known.get("digest", digest) != digest:
            raise InputDataError(
                str(folder),
                f"holds {known.get('what', 'something else')}, or with other settings",
                "Give another --output, or repeat the command it was made with",
            )
    write_atomically(path, json.dumps({"digest": digest, "what": what, **description}, indent=1).encode())
