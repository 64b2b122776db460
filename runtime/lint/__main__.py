"""`python -m perdure.lint paths`."""

import sys

from .command import main

sys.exit(main())
