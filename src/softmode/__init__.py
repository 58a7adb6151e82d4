"""softmode: do machine-learned potentials get lattice dynamics right?

The rooms, in the direction the data flows: :mod:`softmode.crystal` (the vocabulary),
:mod:`softmode.datasets`, :mod:`softmode.potentials`, :mod:`softmode.harmonic`,
:mod:`softmode.study`, :mod:`softmode.report`, :mod:`softmode.cli`.
"""

__version__ = "0.1.0"
