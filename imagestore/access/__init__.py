"""Floor 3, may they: who asks, and what a bucket's policy says to that. Pure but for the clock."""
