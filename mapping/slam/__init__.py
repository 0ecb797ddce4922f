"""Tracking, view selection and scale."""
