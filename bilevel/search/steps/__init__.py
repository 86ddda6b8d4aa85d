"""One step of the search a file; each takes the state, works on it, and leaves in it what it has found."""
