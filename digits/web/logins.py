"""Log in, log out, and ask of every request who sends it: the web's side of `accounts/accounts.py`.

In: a session's cookie, or a token (`Authorization: Bearer ...`).  Out: `g.user`, or a way to the
page to log in, 401 or 403.  While there are no users, nobody is asked for anything.

Elsewhere: what an address needs (`access.py`).
"""

from __future__ import annotations

import secrets
from typing import Any
from urllib.parse import unquote, urlsplit

from blinker import Signal
from flask import (
    Blueprint,
    Flask,
    Response,
    current_app,
    g,
    redirect,
    render_template,
    request,
    session,
)
from flask import url_for as flask_url_for
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import generate_csrf
from itsdangerous import BadSignature, URLSafeSerializer
from wtforms import HiddenField, PasswordField, StringField

from digits.accounts.sessions import session_id
from digits.accounts.users import User
from digits.errors import LoginRefused, TooManyTries
from digits.jobs import signals
from digits.web import access
from digits.web.access import Owned, Verdict
from digits.web.answers import scheduler, services, wants_json
from digits.web.error_pages import code_of, error_answer
from digits.web.forms import DigitsForm
from digits.web.headers import comes_from_elsewhere

blueprint = Blueprint("logins", __name__)

# sender: the id of its session
logged_out = Signal("a login ended")

# What the session's cookie holds the secret under.
SECRET = "login"  # noqa: S105 - a key, not a secret
BEARER = "bearer "
# The cookie by which a browser is known in which somebody has logged in; it stays after the logout.
KNOWN_BROWSER = "digits_browser"
KNOWN_BROWSER_S = 365 * 24 * 3600
# What `check` is asked for.
FILES = "files.serve_file"


class LoginForm(DigitsForm):
    """A name and a password, and where to go then."""

    name = StringField("Name")
    password = PasswordField("Password")
    next = HiddenField()


class LogoutForm(DigitsForm):
    """Nothing but the token, so that another site cannot log anybody out."""


@blueprint.route("/login", methods=["GET", "POST"])
def log_in() -> ResponseReturnValue:
    """The page to log in, and what it sends: `name`, `password`, `next`.

    The template (`web/login.html`) gets `form` and `problem`, why the last try failed.
    """
    accounts = services().accounts
    if not accounts.are_on:
        return redirect(flask_url_for("home.home"))
    form = LoginForm() if request.method == "POST" else LoginForm(data=request.args.to_dict())
    if request.method == "GET":
        if g.user is not None:
            return redirect(_way_on(form.next.data))
        return render_template("web/login.html", form=form, problem="")
    if not form.validate():
        return _refused(form, 400, "The page was open for too long. Try again.")
    name, password = (form.name.data or "").strip(), form.password.data or ""
    browser = _known_browser(name)
    try:
        user, secret = accounts.log_in(name, password, request.remote_addr or "", browser)
    except TooManyTries as error:
        answer = current_app.make_response(_refused(form, code_of(error), str(error)))
        answer.headers["Retry-After"] = str(error.wait_s)
        return answer
    except LoginRefused as error:
        return _refused(form, code_of(error), str(error))
    # Nothing of what a stranger may have put into the browser stays.
    _end_login()
    session[SECRET] = secret
    session.permanent = True
    answer = current_app.make_response(redirect(_way_on(form.next.data), 303))
    _remember_browser(answer, user, browser)
    return answer


@blueprint.route("/logout", methods=["GET", "POST"])
def log_out() -> ResponseReturnValue:
    """End the login that the cookie stands for.

    By GET, as scripts of later versions of DIGITS do, unless another site's page asks for it.
    """
    if request.method != "POST":
        if request.method == "GET" and not comes_from_elsewhere():
            _end_login()
        return redirect(flask_url_for("home.home"))
    if LogoutForm().validate():
        _end_login()
        return redirect(flask_url_for("logins.log_in"), 303)
    return error_answer(400, "Reload the page, then log out.")


@blueprint.get("/auth/check")
def check() -> ResponseReturnValue:
    """For a proxy: whether this user may have the file in `X-Original-URI`; 204, 401 or 403.

    It knows the addresses below /files alone, which is all that a proxy serves by itself.
    """
    if not services().accounts.are_on:
        return "", Verdict.ALLOWED.value
    if g.user is None:
        return "", Verdict.LOG_IN.value
    method = request.headers.get("X-Original-Method", "GET")
    path = file_of(request.headers.get("X-Original-URI", ""), method)
    if path is None:
        return "", Verdict.REFUSED.value
    policies = services().kinds.policies
    return "", access.verdict(g.user, FILES, {"path": path}, policies, scheduler()).value


def file_of(uri: str, method: str) -> str | None:
    """The file of the jobs directory that an address names; None when it is any other address.

    An address with dots, doubled slashes and the like, which a proxy may read otherwise than we
    do, names none.
    """
    try:
        path = unquote(uri.partition("?")[0].partition("#")[0], errors="strict")
    except ValueError:
        return None
    if "\\" in path or not path.isprintable() or method not in ("GET", "HEAD"):
        return None
    beginning = f"{services().config.url_prefix}/files/"
    name = path.removeprefix(beginning)
    if not path.startswith(beginning) or any(p in ("", ".", "..") for p in name.split("/")):
        return None
    return name


def enforce() -> ResponseReturnValue | None:
    """Let a request go on, or answer it: by the page to log in, 401 or 403."""
    g.user = None
    if not services().accounts.are_on:
        return None
    g.user = identify()
    values, policies = request.view_args or {}, services().kinds.policies
    found = access.verdict(g.user, request.endpoint, values, policies, scheduler())
    if found is Verdict.ALLOWED:
        return None
    if found is Verdict.LOG_IN:
        return _ask_to_log_in()
    return error_answer(
        403,
        f"{g.user.name} is logged in as {g.user.role}, which is not enough for this. "
        "Ask the job's owner or an admin.",
    )


def identify() -> User | None:
    """Who sends this request, by its token or its cookie."""
    accounts = services().accounts
    header = request.headers.get("Authorization", "")
    if header.lower().startswith(BEARER):
        # A wrong token is no login, whoever else the browser is.
        return accounts.of_token(header[len(BEARER) :].strip())
    secret = session.get(SECRET)
    return accounts.of_session(secret) if isinstance(secret, str) else None


def owner_name() -> str:
    """Whose the job is that this request makes; empty without logins."""
    user: User | None = g.get("user")
    return user.name if user else ""


def may_make() -> bool:
    """Whether this request may make a job."""
    user: User | None = g.get("user")
    return not services().accounts.are_on or (user is not None and user.role.may_make)


def may_change(job: Owned) -> bool:
    """Whether who sends this request may rename, stop, delete or restore the job."""
    return not services().accounts.are_on or access.may_change(g.get("user"), job)


def add_template_names(app: Flask) -> None:
    """What templates must know of logins, and their macros: `may_change(job)`."""
    # A global: macros see no variables of the page.
    app.jinja_env.globals["may_change"] = may_change

    @app.context_processor
    def names() -> dict[str, Any]:
        return {
            "me": g.get("user"),
            "may_make": may_make(),
            "open_to_all": services().config.is_public and not services().accounts.are_on,
            "logout_token": generate_csrf,
        }


def _ask_to_log_in() -> ResponseReturnValue:
    is_page = request.method == "GET" and not wants_json()
    accepts_pages = "text/html" in request.headers.get("Accept", "")
    if is_page and accepts_pages and "Authorization" not in request.headers:
        way_back = request.full_path if request.query_string else request.path
        return redirect(flask_url_for("logins.log_in", next=request.script_root + way_back), 303)
    answer = current_app.make_response(
        error_answer(401, "Log in first. Scripts send a token: Authorization: Bearer ...")
    )
    answer.headers["WWW-Authenticate"] = 'Bearer realm="DIGITS"'
    return answer


def _browser_signer() -> URLSafeSerializer:
    return URLSafeSerializer(str(current_app.secret_key), salt="a browser that has logged in")


def _known_browser(name: str) -> str:
    """The id of this browser when `name` has logged in with it before; empty when not.

    It lets nobody in: only failures of others are not held against it.
    """
    user = services().accounts.users.get(name)
    try:
        known = _browser_signer().loads(request.cookies.get(KNOWN_BROWSER, ""))
        whose, stamp, browser = (str(each) for each in known)
    except (BadSignature, TypeError, ValueError):
        return ""
    return browser if user and (whose, stamp) == (user.name, user.stamp) else ""


def _remember_browser(answer: Response, user: User, browser: str) -> None:
    value = _browser_signer().dumps([user.name, user.stamp, browser or secrets.token_hex(8)])
    answer.set_cookie(
        KNOWN_BROWSER,
        value,
        max_age=KNOWN_BROWSER_S,
        path=current_app.config["APPLICATION_ROOT"],
        secure=request.is_secure,
        httponly=True,
        samesite="Lax",
    )


def _refused(form: LoginForm, code: int, problem: str) -> ResponseReturnValue:
    if wants_json():
        return error_answer(code, problem)
    return render_template("web/login.html", form=form, problem=problem), code


def _end_login() -> None:
    secret = session.get(SECRET)
    if isinstance(secret, str):
        services().accounts.log_out(secret)
        signals.announce(logged_out, session_id(secret))
    session.clear()


def _way_on(target: str | None) -> str:
    """Where to go after the login: an address of this server, else the home page."""
    home = flask_url_for("home.home")
    target = target or ""
    if not target.startswith("/") or target[1:2] in ("/", "\\") or not target.isprintable():
        return home
    try:
        parts = urlsplit(target)
    except ValueError:
        return home
    return home if parts.scheme or parts.netloc or "\\" in target else target
