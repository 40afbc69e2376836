"""Where the audit looks: families of networks, their inputs, ascent to the largest signed sum."""
