"""A part of the page that some studies have: its tables, figures and what its template shows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

#: File name, title and figure.
Drawn = tuple[str, str, Figure]
#: Title and PNG of the figures of a page by name.
Pictures = Mapping[str, tuple[str, bytes]]


class Section(ABC):
    """What the builder of the page asks of a part of it."""

    @property
    @abstractmethod
    def tables(self) -> dict[str, pd.DataFrame]:
        """Tables by file name."""

    @abstractmethod
    def figures(self) -> Iterator[Drawn]:
        """Everything that can be drawn."""

    @abstractmethod
    def context(self, pictures: Pictures) -> dict[str, Any]:
        """What the template of the section needs."""

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Other files beside the page: path and content."""
        yield from ()
