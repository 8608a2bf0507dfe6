"""What may vanish: the Redis tier, what is worth its room, and one maker per key."""
