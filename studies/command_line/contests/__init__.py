"""The command that compares methods in parts: what it says while it runs."""
