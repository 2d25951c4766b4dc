"""Each step of cleaning on real strings, beside an independent reference where there is one."""

from __future__ import annotations

import csv
import json
import random
import sys
import unicodedata
from html.parser import HTMLParser

import pandas as pd
import pytest
from projects import SHARED

from pipeline.core.cleaning import Cleaner
from pipeline.core.registry import settings_dict
from pipeline.text.cleaning import cleaners
from pipeline.text.cleaning.cleaning import Changes, clean_column, clean_text
from pipeline.text.cleaning.declared import build_clean

FAMILY = "👨\u200d👩\u200d👧"
PERSIAN = "کتاب\u200cها می\u200cخواهم"
BENGALI = "র\u200d\u09cdয"
MALAYALAM_CHILLU = "അവന\u0d4d\u200d "  # the joiner that makes the chillu ends the word
KHMER = "ភាសា\u200bខ្មែរ"

EXAMPLES = [
    ("spaces", {}, "Ça alors\u202f! 5\xa0€\u3000東京", "Ça alors ! 5 € 東京"),
    ("spaces", {}, "a\u2003b \u2009c\u1680d", "a b  c d"),
    ("line_ends", {}, "a\r\nb\rc\u2028d\x0ce\x85f\n", "a\nb\nc\nd\ne\nf\n"),
    ("whitespace", {}, "  To be, \t or\xa0not \n\n\n\n to  be \n", "To be, or not\n\nto be"),
    ("whitespace", {"lines": False}, " a\n\n b\t\u3000c ", "a b c"),
    ("spaced_punctuation", {}, "Go.Wow!! Really ?", "Go .Wow ! ! Really ?"),
    ("spaced_punctuation", {"marks": "-]"}, "a-b]", "a -b ]"),
    ("invisible", {}, "auf\xadge\u200bregt\ufeff \u2060sehr Auf\u200clage", "aufgeregt sehr Auflage"),
    ("invisible", {}, f"{FAMILY} {PERSIAN} {BENGALI} {MALAYALAM_CHILLU}{KHMER}", None),
    ("invisible", {}, f"\u200d{FAMILY}\u200c\u200c \u200d.", f"{FAMILY}\u200c ."),
    ("invisible", {}, "שלום\u200f Ilan\u200e!", None),
    ("invisible", {"direction": True}, "שלום\u200f Ilan\u200e!", "שלום Ilan!"),
    ("control", {}, "a\x00b\x07\tc\r\n\x1fd\x7f\x9d\ufffe", "ab\tc\r\n d"),
    ("control", {}, "\x00\x01\x02", ""),
    ("control", {}, "half \ud83d", "half \ufffd"),
    ("normalization", {}, "cafe\u0301 ﬁ ² ｆ", "café ﬁ ² ｆ"),
    ("normalization", {"form": "NFKC"}, "cafe\u0301 ﬁ ② ｆ\xa0x\u202fy", "café fi 2 f x y"),
    ("normalization", {"form": "NFD"}, "é", "e\u0301"),
    ("mojibake", {}, "bÃ©art in a downtown cafÃ©, donâ€™t", "béart in a downtown café, don’t"),
    ("mojibake", {}, "all its aspects \x97 from the tv movie", "all its aspects — from the tv movie"),
    ("mojibake", {}, "The body shop\x89Ûªs \x89ÛÏbag\x89Û\x9d\x89Û_", "The body shop’s “bag”…"),
    ("mojibake", {}, "North CarolinaåÊAblaze", "North Carolina\xa0Ablaze"),
    ("mojibake", {}, "Ærø, 10 ‰, naïve Ûber, São Paulo, 5 £, Привет, 東京", None),
    ("entities", {}, "AT&amp;T &lt;3 &#39;x&#39; &#x27;&nbsp;&eacute;", "AT&T <3 'x' '\xa0é"),
    ("entities", {}, "?a=1&copy=2 AT&T; &nosuch; & &#;", None),
    ("entities", {}, "&amp;lt;", "&lt;"),
    ("tags", {}, "Un<b>believ</b>able<br/>really<p class='x'>new</p>", "Unbelievable really new "),
    ("tags", {}, "a<!-- <b>x</b> -->b<script>if (a<b) {}</script>c<STYLE>p {}</STYLE>d", "abcd"),
    (
        "tags",
        {},
        "<unk> 3 <4, I <3 you <url> a<b and <!-- never closed <script>",
        "<unk> 3 <4, I <3 you <url> a<b and <!-- never closed ",
    ),
    ("urls", {}, "(see http://t.co/aB1?x=1&y=2). WWW.X.org, HTTPS://a.b", "(see <url>). <url>, <url>"),
    ("urls", {"mark": ""}, "看http://t.co/abc这里 now", "看这里 now"),
    ("urls", {}, "www is a word, xwww.y.z; evacuatedhttp://t.co/a", "www is a word, xwww.y.z; evacuated<url>"),
    ("emails", {}, "mail jane.doe+x@mail.example.org. @jane a@b", "mail <email>. @jane a@b"),
    (
        "mentions",
        {},
        "@Jane_1: thanks @山田! a@b.org http://x.org/@me",
        "<user>: thanks <user>! a@b.org http://x.org/@me",
    ),
    ("mentions", {"mark": ""}, "RT @jane: hi @", "RT : hi @"),
    ("digits", {}, "13,000 in 1999, ٣ more", "00,000 in 0000, 0 more"),
    ("digits", {"to": "ascii"}, "٣ ५ ４ 7", "3 5 4 7"),
    ("digits", {"to": "mark"}, "13,000.5 in 1999.", "<number> in <number>."),
    ("case", {}, "STRASSE Straße ΣΑΣ", "strasse straße σας"),
    ("case", {"form": "fold"}, "Straße", "strasse"),
    ("repeats", {}, "soooooo cooool!!!!! 1000000    ...", "sooo coool!!! 1000000    ..."),
    ("repeats", {"most": 1}, "aabb", "ab"),
]


def step(name: str, **settings) -> Cleaner:
    return cleaners.build({"name": name, **settings}, "clean")


@pytest.mark.parametrize(("name", "settings", "before", "after"), EXAMPLES)
def test_a_step_does_what_it_says(name, settings, before, after):
    assert step(name, **settings).clean(before) == (before if after is None else after)


def test_every_step_has_examples():
    assert {name for name, *_ in EXAMPLES} == set(cleaners)


TEXTS = [before for _, _, before, _ in EXAMPLES] + ["", " ", "plain", "\ud800", "\x89Û", "&", "<", "@", FAMILY * 20]


@pytest.mark.parametrize("name", list(cleaners))
def test_a_step_survives_being_written_and_keeps_what_it_promises(name):
    one = step(name)
    assert isinstance(one, Cleaner) and type(one).__doc__
    again = cleaners.build(json.loads(json.dumps(settings_dict(one))), "schema.json")
    assert again == one
    for text in TEXTS:
        cleaned = one.clean(text)
        assert again.clean(text) == cleaned
        if not one.ascii:
            assert one.clean(ascii(text)) == ascii(text)
        if name != "entities":  # once over: &amp;lt; means &lt;
            assert one.clean(cleaned) == cleaned


LONG = 1_000_000
HARD = {
    "urls": ["http://", "www.", "http", "http://a."],
    "emails": ["a@", "a@b.", "@", "a", "a."],
    "mentions": ["@", "@a", "a@"],
    "entities": ["&", "&amp", "&#1", "&amp;"],
    "tags": ["<", "<a ", "<!--", "<script>", "<!--<script><style>", "-->", "<b>x"],
    "normalization": ["\u0301\u0316", "。"],
    "mojibake": ["Ã©", "\x89Û"],
    "whitespace": [" ", " \n", "\n"],
    "repeats": ["a", "ab", "!"],
    "digits": ["1,", "1"],
}
"""Texts that a careless pattern goes over again and again."""


@pytest.mark.timeout(60)  # what takes the square of a length is days behind
@pytest.mark.parametrize("name", list(cleaners))
def test_a_million_characters_take_no_more_than_their_number(name):
    one, long = step(name), LONG if name != "mojibake" else LONG // 4
    for shape in HARD.get(name, ["a", "\u200d", "\xa0.", "\x00\r"]):
        one.clean(shape * (long // len(shape)))
        one.clean(f"<!-- --><a {shape}" + "x" * long)
    one.clean("a" + "\u0301\u0316\u0327" * (long // 3))


def test_marks_in_a_reasonable_number_are_normalized_as_unicode_has_it():
    for form in ("NFC", "NFKC", "NFD", "NFKD"):
        zalgo = "a" + "\u0316\u0301" * 12 + "e\u0301" + "。" * 80 + "①™" * 40 + "e\u0301"
        assert step("normalization", form=form).clean(zalgo) == unicodedata.normalize(form, zalgo)


def test_all_odd_spaces_and_controls_of_unicode_are_known():
    every = [chr(i) for i in range(sys.maxunicode + 1)]
    spaces = "".join(one for one in every if unicodedata.category(one) == "Zs")
    assert step("spaces").clean(spaces) == " " * len(spaces)
    controls = "".join(one for one in every if unicodedata.category(one) in ("Cc", "Cs"))
    assert set(step("control").clean(controls)) == set("\t\n\r \ufffd")


def book(text: str) -> str:
    """``preprocess_nmt`` of D2L 10.5."""

    def no_space(char: str, before: str) -> bool:
        return char in set(",.!?") and before != " "

    text = text.replace("\u202f", " ").replace("\xa0", " ").lower()
    return "".join(" " + char if i > 0 and no_space(char, text[i - 1]) else char for i, char in enumerate(text))


BOOK = build_clean(["spaces", "case", "spaced_punctuation"], "clean").steps


def test_the_books_preprocessing_is_three_steps():
    for text in ["Go.", "Ça alors\u202f!", "Attendez !", "...", ". Hm, no?!", "", "É\xa0!"]:
        assert clean_text(text, BOOK) == book(text)


def test_marks_of_a_long_text_as_of_a_short_one():
    draw = random.Random(0)
    for begin in ("", ".", " !", "é?"):
        text = begin + "".join(draw.choices(",.!?  aé日\ud800\n", k=20_000))
        assert clean_text(text, BOOK) == book(text)


class Words(HTMLParser):
    def __init__(self, text: str):
        super().__init__()
        self.found = []
        self.feed(text)
        self.close()

    def handle_data(self, data):
        if self.lasttag not in ("script", "style") or data.strip() == "tail":
            self.found.append(data)


def test_tags_leave_the_words_that_a_parser_of_html_finds():
    page = (
        '<html><head><style>p > a {}</style></head><body onload="x()"><h1>Big</h1><p>A <a href="?a=1">link</a> and '
        "<em>more</em> text.</p><!-- not <b>this</b> --><ul><li>one</li><li>two</li></ul><br>tail</body></html>"
    )
    assert step("tags").clean(page).split() == " ".join(Words(page).found).split()


def column(data: str, name: str) -> list[str]:
    path = SHARED / data / "train.csv"
    if not path.exists():
        pytest.skip(f"needs ../shared/data/{data}")
    with path.open(encoding="utf-8", newline="") as file:
        return [row[name] for row in csv.DictReader(file)]


def test_tweets_with_everything_in_them():
    texts = column("disaster_tweets", "text")
    default = build_clean(None, "clean").steps
    cleaned = [clean_text(text, default) for text in texts]
    assert sum("\x89Û" in text for text in texts) > 500 and not any("Û" in text or "\x9d" in text for text in cleaned)
    assert sum("’" in text for text in cleaned) > 100
    assert [text.count("\n") for text in cleaned] == [text.count("\n") for text in texts]
    steps = build_clean(["default", "entities", "urls", "mentions"], "clean").steps
    bare = [clean_text(text, steps) for text in texts]
    assert sum("&amp;" in text for text in texts) > 200
    assert sum("&amp;" in text for text in bare) == sum("&amp;amp;" in text for text in texts)
    assert not any("http://t.co/" in text for text in bare)
    assert sum("<url>" in text for text in bare) == sum("http://" in text or "https://" in text for text in texts)


def test_french_as_the_book_has_it():
    french = pd.Series(column("fra_eng", "fr")).sample(20_000, random_state=0).tolist()
    assert sum("\u202f" in text for text in french) > 500
    cleaned = {text: clean_text(text, BOOK) for text in french}
    assert [cleaned[text] for text in french if "\u2009" not in text] == [
        book(text)
        for text in french
        if "\u2009" not in text  # a space that the book's function does not know
    ]
    assert any("\u2009" in text for text in french) and not any("\u2009" in text for text in cleaned.values())


def column_of(draw: random.Random) -> pd.Series:
    """Texts made of all that steps look for; some are missing, some come again, none has lone surrogates."""
    parts = [*TEXTS, "\n", "\r", "\0", "Ã ", "œ", "Σ", "\u0301", "  ", ",", "!", "\x07", "<b>", "\u200b", "É", "ab"]
    made = ["".join(draw.choice(parts) for _ in range(draw.randrange(4))) for _ in range(60)]
    made = [text.encode("utf-16", "surrogatepass").decode("utf-16", "replace") for text in made]
    return pd.Series([None if i % 9 == 8 else text for i, text in enumerate(made)], dtype="str", name="t")


EVERY = [
    *([name] for name in cleaners),
    *([{"name": name, **settings}] for name, settings, *_ in EXAMPLES if settings),
    [{"name": "spaced_punctuation", "marks": " ,"}],
    [{"name": "spaced_punctuation", "marks": "\0x"}],
    [{"name": "urls", "mark": "\0 "}],
    ["entities", "default", *(name for name in cleaners if name != "entities")],
]


@pytest.mark.parametrize("steps", EVERY, ids=str)
def test_a_column_is_cleaned_together_as_each_text_alone(steps):
    built, draw = build_clean(steps, "clean").steps, random.Random(0)
    for nul in (False, True):
        column = column_of(draw)
        column = column if nul else column.str.replace("\0", "")
        changes, changed = Changes(), dict.fromkeys(range(len(built)), 0)
        cleaned = clean_column(column, built, changes)
        for before, after in zip(column.dropna(), cleaned.dropna(), strict=True):
            for i, one in enumerate(built):
                text = before if before.isascii() and not one.ascii else one.clean(before)
                changed[i] += text != before
                before = text
            assert after == before
        assert [line["changed"] for line in changes.to_json()] == list(changed.values())
        assert cleaned.isna().tolist() == column.isna().tolist() and cleaned.index.equals(column.index)
