"""Numbers and how far they can be trusted: correlated means, bootstrap, confusion, ranks, calibration."""
