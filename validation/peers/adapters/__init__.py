"""One file a peer; each runs in a process and an environment of its own."""
