"""A worker at work: a job from its lease to the one message that carries its result."""
