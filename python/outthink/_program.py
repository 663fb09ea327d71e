"""The command line: what the script ``outthink`` and ``python -m outthink`` start."""

from __future__ import annotations

import signal
import sys

from . import _native


def main() -> int:
    """Does what the command line asks for and returns its exit status."""
    # Rust does not look whether Python has noted a signal: Ctrl-C ends the program, as it ends any.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    return _native.main(["outthink", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
