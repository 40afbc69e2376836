"""Figure 1 of Galanti et al., and the same by depth and width."""
