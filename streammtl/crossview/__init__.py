"""Matching across views: depth hypotheses, warping, cost volumes, and the learned cross-view module."""
