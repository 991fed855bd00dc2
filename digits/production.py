"""The production server: `python -P -m digits.production`, started by `./digits-server`.

gunicorn with one gevent worker, to stand behind nginx.  Its options can be given as well.
"""

from digits.config import Config
from digits.serving.gunicorn_app import DigitsApplication, RunningServer


def start(config: Config, lock_wait_s: float) -> RunningServer:
    """Everything that one worker runs; called in the worker."""
    # Not before: what holds threads, sockets or sub-processes must be made of gevent's.
    from digits import wsgi  # noqa: PLC0415

    return wsgi.start(config, lock_wait_s)


def main() -> None:
    """Serve until SIGTERM or SIGINT; the exit status is 2 for settings that cannot be used."""
    DigitsApplication(start).run()


if __name__ == "__main__":
    main()
