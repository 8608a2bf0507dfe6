"""Floor 6, HTTP: one front door for every request, then one face a file. The only importer of Flask."""
