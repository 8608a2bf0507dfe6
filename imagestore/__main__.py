"""`python -m imagestore`: the same as the `imagestore` command."""

from imagestore.cli import main

main()
