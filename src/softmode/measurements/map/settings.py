"""Settings of maps of configuration space, ``[map]`` in a study file."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from softmode.configurations import KernelSettings, SoapSettings
from softmode.measurements.declaration import SettingsTable


class MapSettings(SettingsTable):
    """Maps of a reference trajectory against the potential's own dynamics.

    Attributes
    ----------
    reference_every, model_every : int
        One frame in so many is taken of each run of the two sides; of the potential's after ``md.discard``.
    soap : SoapSettings
        How environments are described.
    kernel : KernelSettings
        How similar frames are, and with how much memory this is computed.
    n_neighbours : int
        Nearest frames looked at, in the neighbour score and in how foreign a frame is.
    n_permutations : int
        Relabellings of blocks for significances.
    """

    reference_every: int = Field(default=1, ge=1)
    model_every: int = Field(default=1, ge=1)
    soap: SoapSettings = Field(default_factory=SoapSettings)
    kernel: KernelSettings = Field(default_factory=KernelSettings)
    n_neighbours: int = Field(default=5, ge=1)
    n_permutations: int = Field(default=2000, ge=100)

    @property
    def identity(self) -> dict[str, Any]:
        """What determines a result: all but the memory allowed."""
        return self.model_dump(mode="json", exclude={"kernel": {"memory"}})
