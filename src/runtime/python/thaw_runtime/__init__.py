"""The program that serves a model with its Python handler, module by module as the Node runtime has it."""
