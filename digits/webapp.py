"""The web application: `create_app` puts configuration, scheduler and pool into a Flask app.

In: values and services made by an entry point (`server.py`, tests).  Out: an app with its
blueprints and Socket.IO listeners, whose every request passes the checks of `web/headers.py` and
`web/logins.py`, and whose every error is answered by `web/error_pages.py`.
"""

from __future__ import annotations

import logging
import os
import re
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask import Flask

import digits
from digits import sockets
from digits.accounts.accounts import Accounts
from digits.accounts.sessions import SESSION_S
from digits.base.atomic import atomic_write
from digits.base.devices import Devices
from digits.base.formatting import FILTERS
from digits.base.installed import folder_beside
from digits.base.job_files import read_bytes
from digits.config import Config
from digits.dataset import views as dataset_views
from digits.dataset.images import views as image_dataset_views
from digits.files import blueprint as files_blueprint
from digits.home.bin_views import blueprint as bin_blueprint
from digits.home.job_views import blueprint as jobs_blueprint
from digits.home.table_views import blueprint as tables_blueprint
from digits.inference.timing import Timings
from digits.jobs.scheduler import Scheduler
from digits.kinds import installed
from digits.model import longer_views
from digits.model import views as model_views
from digits.model.compare import views as compare_views
from digits.serving.connections import Peers
from digits.views import blueprint as home_blueprint
from digits.web import (
    error_pages,
    headers,
    loading,
    logins,
    monitoring,
    socket_limits,
    static_files,
)
from digits.web.answers import Services, in_thread
from digits.web.help_views import blueprint as help_blueprint
from digits.web.json_provider import StrictJson
from digits.web.kind import Kinds
from digits.web.policies import Policies
from digits.web.prefix import UrlPrefix
from digits.web.socket_logins import SocketLogins
from digits.web.uploads import UploadRequest

if TYPE_CHECKING:
    from digits.inference.pool import Pool

log = logging.getLogger(__name__)

# Printable, and too long to be guessed.
_KEY = re.compile(rb"[!-~]{32,1024}")


def create_app(
    config: Config,
    scheduler: Scheduler,
    pool: Pool,
    policies: Policies,
    devices: Devices | None = None,
    kinds: Kinds | None = None,
) -> Flask:
    """The application; `scheduler` and `pool` are started and stopped by the caller.

    The caller has handed `policies.environment` to the scheduler, too.  `kinds` are those of the
    scheduler's jobs, by default all that are installed.
    """
    app = Flask(
        "digits",
        template_folder=str(folder_beside("templates")),
        static_folder=str(folder_beside("static")),
    )
    app.request_class = UploadRequest
    app.json = StrictJson(app)
    app.response_class = headers.TextResponse
    app.config.update(
        SECRET_KEY=config.secret_key or kept_secret_key(config.jobs_dir),
        MAX_CONTENT_LENGTH=config.max_upload_mb * headers.MEGABYTE,
        MAX_FORM_MEMORY_SIZE=headers.FORM_BYTES,
        SESSION_COOKIE_SAMESITE="Lax",
        PERMANENT_SESSION_LIFETIME=SESSION_S,
        WTF_CSRF_TIME_LIMIT=None,
        APPLICATION_ROOT=config.url_prefix or "/",
        DEBUG=config.debug,
        # In debug mode, too, an error is answered by a page; it shows the traceback then.
        PROPAGATE_EXCEPTIONS=False if config.debug else None,
    )
    accounts = policies.accounts
    devices = devices or Devices(config.jobs_dir, run=in_thread)
    kinds = kinds or installed()
    app.extensions["digits"] = Services(
        config, scheduler, pool, policies, devices, kinds, Timings()
    )
    hosts = headers.Hosts(config, accounts)
    app.session_interface = headers.SecureBehindTls()
    app.wsgi_app = headers.TrustedProxyFix(  # type: ignore[method-assign]
        app.wsgi_app, config.trusted_proxies
    )
    static_files.connect(app)
    _add_blueprints(app, kinds)
    _add_template_names(app, config, kinds)
    # In this order: who it is and what they may comes last, and is answered by a page.
    app.before_request(hosts.refuse_foreign)
    app.before_request(headers.refuse_foreign_origin)
    app.before_request(headers.limit_body)
    app.before_request(loading.wait_for_jobs)
    app.before_request(logins.enforce)
    app.after_request(headers.add_security_headers)
    error_pages.add_error_handlers(app)
    clients = SocketLogins(app, accounts, hosts)
    server = sockets.connect(app, scheduler, clients, devices)
    socket_limits.limit(server, Peers(config.trusted_proxies), clients.may_connect)
    monitoring.connect(app, scheduler, pool, server)
    # Outside of all others: the sockets have an address below the prefix, too.  Also without a
    # prefix: what a server took from a header (SCRIPT_NAME) must not stand for one.
    app.wsgi_app = UrlPrefix(app.wsgi_app, config.url_prefix)  # type: ignore[method-assign]
    _warn(config, accounts)
    return app


def kept_secret_key(jobs_dir: Path) -> str:
    """The key kept in the jobs directory, readable by its owner alone; made when there is none."""
    path = jobs_dir / ".secret_key"
    try:
        kept = read_bytes(path).strip()
        if _KEY.fullmatch(kept):
            return kept.decode()
        log.warning("%s holds no key; a new one is made, and open forms must be loaded again", path)
    except FileNotFoundError:
        pass
    except OSError as error:
        log.warning("%s cannot be read, so a new key is made: %s", path, error.strerror)
    key = secrets.token_hex(32)
    try:
        with atomic_write(path) as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(key.encode())
    except OSError as error:
        # Open forms must be loaded again after a restart; that is all.
        log.warning("%s cannot be written: %s", path, error.strerror)
    return key


def _warn(config: Config, accounts: Accounts) -> None:
    if config.is_public and not accounts.are_on:
        log.warning(
            "the server listens on %s without logins: anybody who reaches it can use it. "
            "`python -m digits.tools.user add NAME` switches logins on",
            config.host,
        )


def _add_blueprints(app: Flask, kinds: Kinds) -> None:
    app.register_blueprint(home_blueprint)
    app.register_blueprint(jobs_blueprint)
    app.register_blueprint(tables_blueprint)
    app.register_blueprint(bin_blueprint)
    app.register_blueprint(files_blueprint)
    app.register_blueprint(help_blueprint)
    app.register_blueprint(logins.blueprint)
    app.register_blueprint(monitoring.blueprint)
    for views in (dataset_views, image_dataset_views):
        app.register_blueprint(views.blueprint, url_prefix="/datasets")
    for views in (compare_views, longer_views, model_views):
        app.register_blueprint(views.blueprint, url_prefix="/models")
    for kind in kinds:
        for part in kind.routes:
            app.register_blueprint(part.blueprint, url_prefix=part.prefix or kind.prefix)


def _add_template_names(app: Flask, config: Config, kinds: Kinds) -> None:
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.filters.update(FILTERS)
    # A global: macros see no variables of the page.
    app.jinja_env.globals["kinds"] = kinds
    logins.add_template_names(app)

    @app.context_processor
    def names() -> dict[str, Any]:
        store = app.extensions["digits"].scheduler.store
        return {
            "version": digits.__version__,
            "server_name": config.server_name,
            "storage_problem": store.problem,
        }
