"""``python -m softmode``: the command line."""

from softmode.cli.app import main

if __name__ == "__main__":
    main()
