"""Switch logins on, and say who may come in: users, their passwords, roles and tokens.

Without any user a server asks nobody to log in; the first one that is added switches logins on, at
once, and the last one that is removed switches them off.  Roles: `reader` sees everything and
changes nothing, `user` makes jobs and changes those, `admin` changes everybody's.  The password is
asked for, or read from the first line of the input.

  python -m digits.tools.user add ada --role admin
  python -m digits.tools.user token ada nightly-script
"""

from __future__ import annotations

import argparse
import getpass
import os
import sys
import time
from pathlib import Path

from digits.accounts.users import Role, Users
from digits.config import CONFIG_FILE, load_config
from digits.errors import ConfigError, UserError


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the exit status is 1 for what cannot be done, 2 for bad settings."""
    options = _parser().parse_args(arguments)
    try:
        config_file = Path(CONFIG_FILE) if Path(CONFIG_FILE).exists() else None
        flags = {"jobs_dir": options.jobs_dir}
        jobs_dir = load_config(config_file, os.environ, flags).jobs_dir
        jobs_dir.mkdir(parents=True, exist_ok=True)
        print(_COMMANDS[options.command](Users(jobs_dir), options))
    except ConfigError as error:
        print("\n".join(f"digits: {problem}" for problem in error.problems), file=sys.stderr)
        return 2
    except (UserError, OSError) as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped; nothing was changed.", file=sys.stderr)
        return 130
    return 0


def _add(users: Users, options: argparse.Namespace) -> str:
    if users.get(options.name) is not None:
        raise UserError(f"There is a user {options.name} already.")
    role = Role(options.role) if options.role else Role.USER
    first = not users.all()
    users.add(options.name, _password(), role)
    lines = [f"Added {options.name}, {role}."]
    if first:
        lines.append("Logins are on now: everybody has to log in, and scripts need a token.")
    return "\n".join(lines + _missing_admin(users))


def _remove(users: Users, options: argparse.Namespace) -> str:
    users.remove(options.name)
    lines = [f"Removed {options.name}. The jobs stay; admins can change them."]
    if not users.all():
        lines.append("That was the last user: logins are off now, and everybody can do everything.")
    return "\n".join(lines + _missing_admin(users))


def _list(users: Users, options: argparse.Namespace) -> str:
    lines = []
    for user in users.all():
        lines.append(f"{user.name}  {user.role}")
        for token in user.tokens:
            made = time.strftime("%Y-%m-%d", time.localtime(token.created_s))
            lines.append(f"    token {token.label}, made {made}")
    return "\n".join(lines) or "There are no users, so nobody has to log in."


def _change_password(users: Users, options: argparse.Namespace) -> str:
    _known(users, options.name)
    users.change(options.name, password=_password())
    return f"{options.name} has a new password and is logged out everywhere. Tokens stay."


def _change_role(users: Users, options: argparse.Namespace) -> str:
    users.change(options.name, role=Role(options.role))
    return "\n".join([f"{options.name} is {options.role} now.", *_missing_admin(users)])


def _token(users: Users, options: argparse.Namespace) -> str:
    if options.remove:
        users.remove_token(options.name, options.label)
        return f"The token {options.label!r} of {options.name} is worth nothing now."
    # By itself, so that a script can take it.
    return users.add_token(options.name, options.label)


_COMMANDS = {
    "add": _add,
    "remove": _remove,
    "list": _list,
    "password": _change_password,
    "role": _change_role,
    "token": _token,
}


def _known(users: Users, name: str) -> None:
    if users.get(name) is None:
        users.change(name)  # raises the message that names the others


def _missing_admin(users: Users) -> list[str]:
    everybody = users.all()
    if everybody and not any(user.role is Role.ADMIN for user in everybody):
        return ["Nobody is admin: jobs without an owner cannot be changed. Make somebody admin."]
    return []


def _password() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    password = getpass.getpass("Password: ")
    if getpass.getpass("Again: ") != password:
        raise UserError("The two are not the same. Try again.")
    return password


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m digits.tools.user",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--jobs-dir", help="the server's jobs directory [as the server's settings]")
    commands = parser.add_subparsers(dest="command", required=True)
    roles = [role.value for role in Role]
    add = commands.add_parser("add", help="let somebody in")
    add.add_argument("name")
    add.add_argument("--role", choices=roles, help="[user]")
    for name, help_ in (
        ("remove", "let somebody in no more"),
        ("password", "give somebody another password"),
    ):
        commands.add_parser(name, help=help_).add_argument("name")
    commands.add_parser("list", help="show who may come in")
    role = commands.add_parser("role", help="give somebody another role")
    role.add_argument("name")
    role.add_argument("role", choices=roles)
    token = commands.add_parser("token", help="make a token for scripts; it is shown once")
    token.add_argument("name")
    token.add_argument("label", help="what it is for")
    token.add_argument("--remove", action="store_true", help="make it worthless instead")
    return parser


if __name__ == "__main__":
    sys.exit(main())
