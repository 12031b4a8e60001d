"""Commands that need training data: synthesize, train, evaluate."""
