"""Floor 4, what the service does: the verbs, with no word of HTTP or terminals in them."""
