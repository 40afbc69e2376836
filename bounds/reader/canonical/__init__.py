"""One graph for one function: dead layers go, sums are joined, no row names an element twice."""
