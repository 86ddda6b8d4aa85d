"""The recheck of an answer, apart from what found it."""
