"""The verbs of `ngatu`, a module each; what is slow to import is imported in the function."""
