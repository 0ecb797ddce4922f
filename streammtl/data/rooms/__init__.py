"""Furnished rooms from a seed, with exact truth for every task."""
