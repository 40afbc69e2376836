"""`certify` of any network, yours or a built-in task's: by its distance from a reference that the sample never saw."""
