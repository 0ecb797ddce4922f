"""Floor plans, openings, and what may stand where."""
