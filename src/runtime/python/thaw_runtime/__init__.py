"""Serves a model with its Python handler, module by module as the Node runtime does."""
