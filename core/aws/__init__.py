"""Facts of AWS that apply to every target: partitions, names, policies, models."""
