"""Floor 3, what lasts: blobs in GridFS and the documents that name them. The only importer of pymongo."""
