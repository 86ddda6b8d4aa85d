"""Carbon-aware dispatch, run and told."""
