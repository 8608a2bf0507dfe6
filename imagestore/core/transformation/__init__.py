"""Transformations: ordered operations on a picture, written in Cloudinary's URL grammar; values only."""
