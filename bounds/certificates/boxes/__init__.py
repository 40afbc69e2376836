"""Classes of linear heads whose weights lie in boxes with signs."""
