"""Settings that differ from the defaults, by purpose: `streammtl map ... --config detailed`."""
