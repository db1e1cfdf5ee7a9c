"""``python -m muslfix``."""

import sys

from muslfix.cli import main

if __name__ == "__main__":
    sys.exit(main())
