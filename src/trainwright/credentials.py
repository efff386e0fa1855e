"""Passwords in URLs: taken out where they come in, so that nothing that is printed, stored or raised can hold one.

Takes    a URL (or a connection string of libpq, which nothing reads) as a user writes it, or any text that may hold one.
Gives    the same without the password, which stays in this process's memory alone until a connection asks for it.
Why      a plan goes into files, commands, errors and reports. What never entered it cannot leave it, whoever prints it later.
"""

from __future__ import annotations

import re
from typing import Final

_held: Final[dict[str, dict[str, str]]] = {}  # URL without secrets and without #TABLE -> {password, sslpassword}; never written anywhere
_KEYS: Final = {"password": "password", "passwd": "password", "pwd": "password", "sslpassword": "sslpassword"}  # of a URL's query -> of a client
_IN_TEXT: Final = re.compile(r"(?P<before>[a-zA-Z][a-zA-Z0-9+.-]*:/{1,2}[^\s:/@'\"]*):[^\s'\"]*@")  # one slash: after a path was made of it
_KEY_IN_TEXT: Final = re.compile(rf"(?P<before>[?&;](?:{'|'.join(_KEYS)})=)[^\s&;'\"#]*", re.IGNORECASE)
_EQUALS: Final = rf"(?:{'|'.join(_KEYS)})\s*=(?:\s+(?!\w+\s*=))?"  # in a connection string; what is empty is not taken for the next pair
_BEFORE: Final = r"(?<!--kind)(?<!--monotone)\s|(?<=['\"])(?<!--kind .)(?<!--monotone .)"  # `--kind password=text` speaks of a column
_PAIR_IN_TEXT: Final = re.compile(rf"(?P<before>(?:^|{_BEFORE}){_EQUALS})(?:'(?:[^'\\]|\\.)*'|\S+)", re.IGNORECASE)
_PAIRS: Final = re.compile(r"\s*(?:host|hostaddr|port|dbname|user|service|passfile|sslmode|password)\s*=\s*\S", re.IGNORECASE)  # how one begins
_SECRET: Final = re.compile(rf"(?P<before>(?:^|\s){_EQUALS}).*?(?=\s+\w+\s*=|$)", re.IGNORECASE | re.DOTALL)


def is_url(text: str) -> bool:
    return re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*://", text) is not None


def is_connection_string(text: str) -> bool:
    """Whether a text is `host=… user=… dbname=…`, as libpq takes it in the place of a URL."""
    return not is_url(text) and _PAIRS.match(text) is not None


def take_out(text: str, *, part: bool = False) -> str:
    """A URL without its passwords, which are remembered until this process ends; other text as it is.

    `part`: the URL may end with #TABLE, which stays and is no part of a password. A connection string loses its password, which nothing asks for.
    """
    if is_connection_string(text):
        return _SECRET.sub(r"\g<before>", text)
    if not is_url(text):
        return text
    bare, secrets = _parted(text, part)
    if secrets:
        _held.setdefault(bare.partition("#")[0], {}).update(secrets)
    return bare


def secrets_for(bare: str) -> dict[str, str]:
    """What was taken out of this URL, by the names that PostgreSQL's client has for it: `password`, `sslpassword`; empty where nothing was."""
    return dict(_held.get(bare.partition("#")[0], {}))


def scrubbed(text: str) -> str:
    """Any text, without the passwords of the URLs in it: the last net, for words that nobody took for a source."""
    if "@" not in text and "=" not in text:
        return text
    without = _KEY_IN_TEXT.sub(r"\g<before>", _IN_TEXT.sub(r"\g<before>@", text))
    return _PAIR_IN_TEXT.sub(r"\g<before>", without)


def _parted(url: str, part: bool) -> tuple[str, dict[str, str]]:
    """The URL without its passwords, and these; `part` says whether a "#" after the "?" begins the name of a table.

    Also where it was not escaped as it should be: all up to the last "@" before a "?" is user and password; up to the last "@" at all where there is
    none before the "?", or where what follows the "?" begins with no `key=`.
    """
    from urllib.parse import unquote  # late: `import trainwright` stays light

    scheme, _, rest = url.partition("://")
    head, mark, tail = rest.partition("?")
    if "@" in tail and ":" in head and ("@" not in head or "=" not in tail.partition("@")[0]):
        head, mark, tail = rest, "", ""
    user, at, place = head.rpartition("@")
    name, _, password = user.partition(":")
    tail, begins, table = tail.rpartition("#") if part and "#" in tail else (tail, "", "")
    kept, found = [], {"password": unquote(password)}
    for pair in tail.split("&") if tail else []:
        key, equals, value = pair.partition("=")
        if equals and (client := _KEYS.get(key.lower())) is not None:
            found[client] = found.get(client) or unquote(value)
        else:
            kept.append(pair)
    query = "&".join(kept)
    bare = f"{scheme}://{name}{at}{place}{mark if query else ''}{query}{begins}{table}"
    return bare, {client: secret for client, secret in found.items() if secret}
