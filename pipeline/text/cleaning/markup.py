"""What is left of web pages in texts."""

from __future__ import annotations

import re
from html import unescape

from pipeline.core.cleaning import Cleaner
from pipeline.core.registry import settings
from pipeline.text.cleaning import cleaners

_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_BREAKS = """address article aside blockquote body br caption center dd div dl dt fieldset figcaption figure footer form
h1 h2 h3 h4 h5 h6 head header hr html legend li main nav ol option p pre section select table tbody td tfoot th thead
title tr ul"""
_INSIDE = """a abbr acronym audio b base bdi bdo big button cite code col colgroup data del dfn em embed font i iframe
img input ins kbd label link map mark meta noscript object param picture q s samp script small source span strike strong
style sub summary sup svg textarea time tt u var video wbr"""
_INSTEAD = {**dict.fromkeys(_INSIDE.split(), ""), **dict.fromkeys(_BREAKS.split(), " ")}
_TAG = re.compile(r"</?([A-Za-z][A-Za-z0-9]*+)(?=[\s/>])[^<>]*+>")
_UNSEEN = re.compile(r"<!--|<(script|style)(?=[\s>])[^<>]*+>", re.IGNORECASE)
_BRACKET = re.compile("<")
_ENDS = {
    "": re.compile("-->"),
    "script": re.compile("</script", re.IGNORECASE),
    "style": re.compile("</style", re.IGNORECASE),
}


@cleaners.register("entities")
@settings
class Entities(Cleaner):
    """HTML's names and numbers of characters to the characters: ``&amp;`` to ``&``, once over.

    Only whole ones with their semicolon, so that '?a=1&copy=2' of an address stays. It stands before ``tags``, and
    before what cleans spaces (``&nbsp;``).
    """

    def clean(self, text: str) -> str:
        return _ENTITY.sub(lambda found: unescape(found.group()), text) if "&" in text else text

    def together(self) -> bool:
        return True


@cleaners.register("tags")
@settings
class Tags(Cleaner):
    """HTML's own tags to nothing, those that begin a line or cell to a space; comments, scripts and styles go whole.

    Other things in angle brackets stay, such as ``<unk>`` or a mark of another step.
    """

    def clean(self, text: str) -> str:
        if "<" not in text:
            return text
        return _TAG.sub(lambda found: _INSTEAD.get(found[1].lower(), found.group()), _without_unseen(text))

    def signs(self) -> re.Pattern[str]:
        return _BRACKET


def _without_unseen(text: str) -> str:
    """The text without comments, scripts and styles; what is never closed stays."""
    kept, at, endless = [], 0, set[str]()
    for found in _UNSEEN.finditer(text):
        kind = (found[1] or "").lower()
        if found.start() < at or kind in endless:
            continue
        end = _ENDS[kind].search(text, found.end())
        if end is None:
            endless.add(kind)  # nor is any that begins later
            continue
        kept.append(text[at : found.start()])
        at = end.end() if kind == "" else end.start()  # the closing tag is one of the others
    return "".join((*kept, text[at:]))
