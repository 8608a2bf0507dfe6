"""Floor 1: plain values that every other floor shares. No I/O but that of metrics, log and traces."""
