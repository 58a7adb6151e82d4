"""The command line: one file per command, each thin and imported when its command is called."""
