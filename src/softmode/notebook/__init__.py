"""The front door for notebooks: what ``import softmode`` offers, see :mod:`softmode`.

Every number comes from :func:`softmode.measurements.measure.measure`, as in studies and commands.
"""
