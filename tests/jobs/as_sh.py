"""A module of Python that becomes a shell: `python -m tests.jobs.as_sh SCRIPT`."""

import os
import sys

if __name__ == "__main__":
    os.execvp("sh", ["sh", "-c", *sys.argv[1:]])
