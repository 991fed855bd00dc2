"""The application for gunicorn: `gunicorn --config gunicorn_config.py digits.wsgi:app`.

gunicorn's gevent worker has patched the standard library before this is imported in it.
"""

import logging

from digits.errors import DigitsError
from digits.server import Server, build, set_up_logging
from digits.serving import wsgi_config

log = logging.getLogger(__name__)

# Tells gunicorn that another try would end likewise.
CANNOT_START = 3


def start() -> Server:
    """Everything that one worker runs."""
    config = wsgi_config.in_use()
    set_up_logging(config)
    try:
        return build(config, lock_wait_s=wsgi_config.lock_wait_s)
    except DigitsError as error:
        log.error("%s", error)
        raise SystemExit(CANNOT_START) from None


server = start()
app = server.app
