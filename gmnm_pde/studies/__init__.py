"""Solving one problem many times: comparisons of solvers, and orders of convergence."""
