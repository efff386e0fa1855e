"""Passwords in URLs: taken out where they come in, so that nothing that is printed, stored or raised can hold one.

Takes    a URL as a user writes it, or any text that may hold one.
Gives    the same without the password, which stays in this process's memory alone until a connection asks for it.
Why      a plan goes into files, commands, errors and reports. What never entered it cannot leave it, whoever prints it later.
"""

from __future__ import annotations

import re
from typing import Final

_held: Final[dict[str, str]] = {}  # URL without its password -> the password; never written anywhere
_KEYS: Final = ("password", "passwd", "pwd", "sslpassword")  # of a URL's query
_IN_TEXT: Final = re.compile(r"(?P<before>[a-zA-Z][a-zA-Z0-9+.-]*:/{1,2}[^\s:/@'\"]*):[^\s'\"]*@")  # one slash: after a path was made of it
_KEY_IN_TEXT: Final = re.compile(rf"(?P<before>[?&](?:{'|'.join(_KEYS)})=)[^\s&'\"#]*", re.IGNORECASE)


def is_url(text: str) -> bool:
    return re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*://", text) is not None


def take_out(text: str) -> str:
    """A URL without its password, which is remembered until this process ends; other text as it is."""
    if not is_url(text):
        return text
    bare, password = _parted(text)
    if password:
        _held[bare] = password
    return bare


def password_for(bare: str) -> str | None:
    """The password that was taken out of this URL, or None."""
    return _held.get(bare)


def scrubbed(text: str) -> str:
    """Any text, without the passwords of the URLs in it: the last net, for words that nobody took for a source."""
    if "@" not in text and "=" not in text:
        return text
    return _KEY_IN_TEXT.sub(r"\g<before>", _IN_TEXT.sub(r"\g<before>@", text))


def _parted(url: str) -> tuple[str, str]:
    """The URL without its password, and the password.

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
    kept, found = [], password
    for pair in tail.split("&") if tail else []:
        key, equals, value = pair.partition("=")
        if key.lower() in _KEYS and equals:
            found = found or (value if key.lower() != "sslpassword" else "")
        else:
            kept.append(pair)
    query = "&".join(kept)
    return f"{scheme}://{name}{at}{place}{mark if query else ''}{query}", unquote(found)
