"""The command `bilevel`."""

import sys
from pathlib import Path

from studies.command_line.refusals import early

# Only where this is the command: whoever imports it tells of exceptions in his own way
if Path(sys.argv[0] if sys.argv else "").stem == "bilevel":
    sys.excepthook = early.told
