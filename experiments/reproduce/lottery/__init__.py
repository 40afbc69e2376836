"""How many samples a lottery ticket needs."""
