"""The engine: what is done to pixels. The only importer of PIL and, but for faces, of numpy."""
