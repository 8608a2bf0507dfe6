"""Floor 1: plain values that every other floor shares. No I/O here."""
