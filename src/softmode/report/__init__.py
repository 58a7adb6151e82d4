"""Reports: tables, figures and a page, derived from a study's records and nothing else."""
