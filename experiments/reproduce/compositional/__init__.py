"""How many samples a tree needs for a tree-like target."""
