"""Models that turn a ViewBatch into TaskOutputs, and the registry that names them."""
