"""Training of networks on pools of rendered clips, in runs of minutes that continue each other exactly."""
