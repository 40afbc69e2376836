"""Attacks on classes fixed in advance: signs, boxes, and a search for a configuration on the sample."""
