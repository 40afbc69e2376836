"""What m samples say of a mean: binomial and Bernstein bounds."""
