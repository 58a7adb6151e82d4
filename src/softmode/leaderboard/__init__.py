"""Published potentials on published references: small packaged tables, and where another potential stands.

:mod:`~softmode.leaderboard.boards` reads the tables, :mod:`~softmode.leaderboard.standing` ranks,
:mod:`~softmode.leaderboard.beside` finds which results may be set beside them, and
:mod:`~softmode.leaderboard.make` makes them from the records of studies.
"""
