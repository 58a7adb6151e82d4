"""What can be said about phonopy files that they do not say."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from pydantic import BeforeValidator, Field

from softmode.datasets.trajectory_source import FrameOptions, file_patterns


def _numbers(value: Any) -> Any:
    """Nested lists and arrays as one tuple; text as it is."""
    return value if value is None or isinstance(value, str) else tuple(np.asarray(value).ravel().tolist())


class PhonopyOptions(FrameOptions):
    """What the files do not say; applied to every material."""

    supercell_matrix: Annotated[tuple[int, ...] | str | None, BeforeValidator(_numbers)] = Field(
        default=None, description="three or nine integers, where no file gives it (DIM)"
    )
    primitive_matrix: Annotated[str | tuple[float, ...] | None, BeforeValidator(_numbers)] = Field(
        default=None,
        description="P, F, I, A, C, R, auto or nine numbers, where no file gives it (default auto)",
    )
    level_of_theory: str = Field(
        default="unknown", description="how the forces were calculated, for the tables"
    )
    trajectory: Annotated[tuple[str, ...], BeforeValidator(file_patterns)] = Field(
        default=(),
        description="file patterns in the folder of a material (MD/vasprun_*.xml*), or dataset: its own "
        "displacements and forces",
    )

    @property
    def mark(self) -> str:
        """What distinguishes them in a fingerprint, frames apart; empty where the files say everything."""
        given = self.model_dump(exclude={"skip", "every"}, exclude_defaults=True)
        return f":{given}" if given else ""


#: The files say everything.
NO_OPTIONS = PhonopyOptions()
