"""What benchmark stores say: summaries, tables, figures, fits."""
