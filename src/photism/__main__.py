"""Run the command line: `python -m photism`, for launchers that start modules, such as torchrun."""

from photism.cli.app import main

main()
