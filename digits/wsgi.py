"""What gunicorn's worker runs: see `production.py`.

Imported in the worker alone, where gevent has patched the standard library before.
"""

import os

from digits.config import Config
from digits.server import Server, build, set_up_logging


def start(config: Config, lock_wait_s: float) -> Server:
    """Everything that one worker runs, once the jobs directory is free: `lock_wait_s` at most."""
    os.umask(config.umask_bits)
    set_up_logging(config)
    return build(config, lock_wait_s=lock_wait_s)
