"""Generated rooms are filmed: clips to train on, and recordings to test maps with."""
