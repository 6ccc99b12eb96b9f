"""`python -m doldrum`: the command line."""

from doldrum.cli import main

if __name__ == "__main__":
    main()
