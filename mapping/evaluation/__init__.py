"""How good a map is: trajectory and surface against the truth."""
