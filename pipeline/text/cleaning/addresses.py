"""Web addresses, e-mail addresses and mentions of users. They stay where no step of these is in the list.

The patterns never go back over what they have passed (possessive, begun only where nothing of theirs stands before),
so a text of a million characters takes no longer than its length.
"""

from __future__ import annotations

import re

from pipeline.core.cleaning import Cleaner
from pipeline.core.registry import settings
from pipeline.text.cleaning import cleaners

# What RFC 3986 allows and no more, so that Chinese or Arabic written right after an address is not part of it.
_URL = re.compile(r"(?:(?:https?|ftp)://|(?<![A-Za-z0-9])www\.)[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]++", re.IGNORECASE)
_ENDS_NO_URL = ".,:;!?'()[]*"
_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]++@[\w-]++(?:\.[\w-]++)+")
_MENTION = re.compile(r"(?<![\w@.+/-])@\w++")


@cleaners.register("urls")
@settings
class Urls(Cleaner):
    """Web addresses (http, https, ftp, www) to ``mark``, or to nothing where it is empty.

    The marks of these three steps are GloVe's (Pennington et al. 2014), whose vectors know them.
    """

    mark: str = "<url>"

    def clean(self, text: str) -> str:
        return _URL.sub(self._marked, text)

    def together(self) -> bool:
        return True

    def _marked(self, found: re.Match[str]) -> str:
        address = found.group()
        return self.mark + address[len(address.rstrip(_ENDS_NO_URL)) :]


@cleaners.register("emails")
@settings
class Emails(Cleaner):
    """E-mail addresses to ``mark``, or to nothing where it is empty."""

    mark: str = "<email>"

    def clean(self, text: str) -> str:
        return _EMAIL.sub(lambda found: self.mark, text) if "@" in text else text

    def together(self) -> bool:
        return True


@cleaners.register("mentions")
@settings
class Mentions(Cleaner):
    """``@user`` to ``mark``, or to nothing where it is empty. An e-mail address is no mention."""

    mark: str = "<user>"

    def clean(self, text: str) -> str:
        return _MENTION.sub(lambda found: self.mark, text) if "@" in text else text

    def together(self) -> bool:
        return True
