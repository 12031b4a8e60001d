"""What every other package stands on: checks, files, paths, the manifest; imports no engine."""
