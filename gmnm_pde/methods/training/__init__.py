"""What the methods that train every parameter of a network share."""
