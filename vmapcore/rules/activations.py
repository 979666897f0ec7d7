"""relu, softmax, log_softmax and losses that earn a rule."""
