"""``python -m edgenas``."""

import sys

from edgenas.cli.main import main

sys.exit(main())
