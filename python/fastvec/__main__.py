"""``python -m fastvec``."""

import sys

from fastvec.cli.main import main

sys.exit(main())
