"""Verbs for users: map, live, evaluate, export; the stages and what runs them."""
