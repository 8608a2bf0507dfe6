"""imagestore: images stream out of MongoDB GridFS, the frequently requested ones out of Redis."""

__version__ = "0.1.0"
