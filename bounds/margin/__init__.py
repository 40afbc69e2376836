"""From a complexity to a bound: γ, the union over what a class fixes, and δ."""
