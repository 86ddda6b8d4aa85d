"""One follower's optimum: its conditions, its best response, the proven least cost, all that is optimal."""
