"""What netcheck costs, measured against the tool that a person would use instead, as ratios within one run."""
