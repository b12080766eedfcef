"""Environment in, exit code out: `python -m pipe`."""

import sys

from pipe.app import main

sys.exit(main())
