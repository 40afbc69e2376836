"""Classes whose rows lie in ellipsoids."""
