"""Starts the program that this package brings: the command `fovea`, and `python -m fovea`."""

import os
import sys

PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "bin", "fovea")


def main() -> None:
    os.execv(PROGRAM, ["fovea", *sys.argv[1:]])


if __name__ == "__main__":
    main()
