"""What a program sees of itself: `python -m tests.base.warm.saying WORDS`; then it waits, if told.

It prints one line of JSON, and ends when its standard input does.
"""

import json
import os
import sys
import threading

if __name__ == "__main__":
    print(  # noqa: T201
        json.dumps(
            {
                "words": sys.argv[1:],
                "name": __name__,
                "folder": os.getcwd(),
                "colour": os.environ.get("COLOUR"),
                "room": "DIGITS_ROOM" in os.environ,
                "first_path": sys.path[0],
                "umask": os.umask(0),
                "session": os.getsid(0) == os.getppid(),
                "threads": threading.active_count(),
            }
        ),
        flush=True,
    )
    sys.stdin.read()
    sys.exit(int(os.environ.get("STATUS", "0")))
