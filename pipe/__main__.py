"""Environment in, exit code out: `python -m pipe`."""

import gc
import sys

# A short process that imports a lot: looking for cycles every 700 objects would take a twentieth of its CPU.
gc.set_threshold(50_000)

from pipe.app import main  # noqa: E402

sys.exit(main())
