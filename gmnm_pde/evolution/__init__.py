"""Evolution problems: units in space, their output weights by an implicit method in time."""
