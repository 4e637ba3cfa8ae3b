"""Measure every figure: ``python validation/run.py``; ``--help`` shows how to measure a few."""

import sys
from pathlib import Path

# Works from any directory, and measures this checkout rather than an installed copy.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from validation.runner import main

if __name__ == "__main__":
    sys.exit(main())
