"""Whatever a person runs, reads or prints: campaigns, comparisons, tables, figures, pages, the command line."""
