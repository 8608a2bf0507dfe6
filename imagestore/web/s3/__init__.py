"""The S3 door: the same images, for clients that speak to Amazon S3."""
