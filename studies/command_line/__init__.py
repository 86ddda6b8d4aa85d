"""The command `bilevel`."""

import os
import signal
import sys
from pathlib import Path

from studies.command_line.refusals import early

# What the command imports takes seconds, in which nothing is found that could be kept: until it listens itself, a signal ends it
# with the exit code of an interrupt and without a word.  Only where this is the command: whoever imports it has handlers of his own
if Path(sys.argv[0] if sys.argv else "").stem == "bilevel":
    for _name in ("SIGINT", "SIGTERM", "SIGHUP"):
        _number = getattr(signal, _name, None)
        # What runs under `nohup` is not to end with its terminal
        if _number is not None and (_name == "SIGINT" or signal.getsignal(_number) != signal.SIG_IGN):
            signal.signal(_number, lambda *_: os._exit(130))
    # Whoever imports it tells of exceptions in his own way, too
    sys.excepthook = early.told
