"""Facts of AWS that hold on every target: partitions, names, policies, models."""
