"""The evidence: every figure the project states, measured by one command (see README.md)."""
