"""Training and test data: generated rooms, the clips they are rendered to, and the batches made of them."""
