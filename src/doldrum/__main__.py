"""Run the command line with `python -m doldrum`."""

from doldrum.cli import main

if __name__ == "__main__":
    main()
