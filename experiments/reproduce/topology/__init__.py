"""Which score of a mask's graph tells how well it trains."""
