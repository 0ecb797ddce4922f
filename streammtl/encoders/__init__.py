"""Image encoders: one interface, one file per backbone."""
