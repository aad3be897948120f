"""``python3 -m room_kernel -f FILE``: ``python3 -m ipykernel_launcher -f FILE``, but sooner."""

import sys

# As ipykernel's launcher does: a file of the student's that is called random.py or json.py is
# not what a kernel's own imports mean. IPython puts the folder back for the student's.
if not sys.flags.safe_path:
    del sys.path[0]

from room_kernel.start import start

start()
