"""What a mask is worth to each bound."""
