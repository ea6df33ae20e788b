"""`python -m traitleak`: the command line, where no script is on the path."""

from traitleak.cli import main

if __name__ == "__main__":
    main()
