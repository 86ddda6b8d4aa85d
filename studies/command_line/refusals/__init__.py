"""What the command line refuses, and in which sentence."""
