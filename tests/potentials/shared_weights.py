"""Weights as their authors publish them, where they lie beside the checkout; they are never committed."""

from __future__ import annotations

from pathlib import Path

from softmode.potentials import Entry

SHARED_WEIGHTS = Path(__file__).parents[3] / "shared" / "data" / "weights"


def shared_weights(entry: Entry) -> Path | None:
    """The weights of an entry of the catalogue, a file or a folder; None where they are not here."""
    path = SHARED_WEIGHTS / entry.stored_as
    return path if entry.stored_as and path.exists() else None
