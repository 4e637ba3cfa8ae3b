"""Run the peers: ``make peers``, or ``python validation/peers/run.py poisson --peers deepxde``."""

import sys
from pathlib import Path

# Works from any directory, and measures this checkout rather than an installed copy.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
# This folder is not one to import from: a module named like a peer would hide it.
sys.path.remove(str(Path(__file__).resolve().parent))

from validation.peers.command import main

if __name__ == "__main__":
    sys.exit(main())
