"""Poses and the map: tracking, fusion, store, surface, export, evaluation."""
