"""The experiments of the GMNM paper, at equal parameters, for GMNM, MLP and KAN."""
