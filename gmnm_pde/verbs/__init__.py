"""What the command's verbs do, apart from solving: they read options and call the library."""
