"""What the theorems read of a graph: levels, nodes and predecessors, Lipschitz constants, stages."""
