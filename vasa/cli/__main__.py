"""`python -m vasa.cli`: the same as the `vasa` script."""

import sys

from vasa.cli import main

sys.exit(main())
