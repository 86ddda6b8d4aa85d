"""What a search that ended without a certified point has met, in words and with proof."""
