"""Furniture and things made of plain shapes."""
