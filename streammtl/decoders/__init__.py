"""Decoders and heads: from features to task outputs."""
