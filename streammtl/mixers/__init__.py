"""Task mixers: features of all tasks in, features of all tasks out that know of each other."""
