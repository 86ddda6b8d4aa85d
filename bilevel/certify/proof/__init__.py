"""A proof of the bound as a file, and a checker of it that shares no code with the search."""
