"""The ``fastvec`` command: flags and printing."""
