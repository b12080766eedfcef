"""Environment in, exit code out: `python -m pipe`."""

import gc
import os

# A short process that makes next to no cycles: looking for them again and again would take a tenth of its CPU.
gc.disable()

from pipe.app import main  # noqa: E402

# Everything is said by now. A request that never ends, in a thread that was left behind, must not hold the process;
# and to take apart what the process has made would cost a twelfth of its CPU.
os._exit(main())
