"""Carbon flows, states and the system that the dispatch of (Xin 2023) stands on."""
