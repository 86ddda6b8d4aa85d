"""Days that may come: their folders, draws from real days, and reduction to fewer."""
