"""A scripted model: a local server that speaks the wire formats of model providers and answers by a script."""
