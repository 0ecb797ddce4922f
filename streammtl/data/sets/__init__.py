"""Data sets by name, alone or mixed: what a training draws its samples from."""
