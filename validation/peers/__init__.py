"""Other solvers on the same problems, machine and clock (see README.md)."""
