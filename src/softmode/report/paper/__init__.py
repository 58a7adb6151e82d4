"""The page that follows the paper: its tables and figures from a study's records, beside what was printed."""
