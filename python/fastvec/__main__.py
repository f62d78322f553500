"""``python -m fastvec``."""

import sys

from fastvec.cli import main

sys.exit(main())
