"""Which signals stop a command that can go on, and what is said then."""

import signal

STOPS = (signal.SIGINT, signal.SIGTERM)
STOPPED = 130  # the exit status after one
STOPPING = "stopping after this step, to save what there is; Ctrl-C again ends at once"
CONTINUES = "stopped; the same command continues"
