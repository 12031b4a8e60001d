"""The base of all other packages: argument checks, files, paths, manifest. Imports no engine."""
