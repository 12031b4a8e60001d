"""From a name or "auto" to an opened model, with the reasons for the choice."""
