"""The iterative scheme beside the exact optimum: prices from duals, best responses, damped loads."""
