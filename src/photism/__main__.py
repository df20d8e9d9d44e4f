"""`python -m photism`: the command line, for launchers that start modules."""

from photism.cli.app import main

main()
