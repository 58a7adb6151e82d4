"""softmode: do machine-learned potentials get lattice dynamics right?

In a notebook::

    import softmode as sm

    comparison = sm.compare_phonons(sm.load("example"), sm.potential("chgnet"))
    comparison.path.rmse_w2_THz2
    comparison.plot()

What is offered here is in :mod:`softmode.notebook` and imported when first used. The rooms behind it, in the
direction the data flows, are listed in ``docs/developing.md``.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from softmode.notebook.inputs import load, potential
    from softmode.notebook.phonons import compare_phonons
    from softmode.notebook.sigma import anharmonicity
    from softmode.notebook.studies import open_study, screen

__version__ = "0.1.0"

__all__ = ["anharmonicity", "compare_phonons", "load", "open_study", "potential", "screen"]

#: Module of :mod:`softmode.notebook` that has each.
_PLACES = {
    "load": "inputs",
    "potential": "inputs",
    "compare_phonons": "phonons",
    "anharmonicity": "sigma",
    "open_study": "studies",
    "screen": "studies",
}

if not TYPE_CHECKING:  # type checkers know the names above, and no others

    def __getattr__(name: str) -> Any:
        if name not in _PLACES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"softmode.notebook.{_PLACES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
