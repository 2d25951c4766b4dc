"""The report: whole HTML that needs nothing else, says what it was given, and runs nothing it was given."""

from __future__ import annotations

import base64
import copy
import io
from html.parser import HTMLParser

import pytest
from page_data import DATA, EVIL, row
from PIL import Image

from pipeline.reporting.page import build_page

VOID = {"meta", "img", "br"}


class Page(HTMLParser):
    """Checks that tags close as they opened, and gathers what a test asks for."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.tags, self.words = [], [], []
        self.feed(text)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, f"</{tag}> closes another tag"

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.words.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def html():
    return build_page(DATA)


@pytest.fixture(scope="module")
def page(html):
    return Page(html)


def test_it_is_whole_html_in_order(html, page):
    assert html.startswith("<!DOCTYPE html>")
    assert page.all("html") == [{"lang": "en"}]
    assert len(page.all("h1")) == len(page.all("main")) == len(page.all("title")) == 1
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {link["href"].removeprefix("#") for link in page.all("a")} <= set(ids)
    labels = [attributes["aria-labelledby"] for _, attributes in page.tags if "aria-labelledby" in attributes]
    assert set(labels) <= set(ids)


def test_it_needs_nothing_else(html, page):
    assert not page.all("script") and not page.all("link")
    assert "http://" not in html and "https://" not in html and "url(" not in html
    for image in page.all("img"):
        kind, _, body = image["src"].partition(",")
        assert kind == "data:image/png;base64"
        picture = Image.open(io.BytesIO(base64.b64decode(body, validate=True)))
        picture.load()
        assert picture.width / picture.height == pytest.approx(int(image["width"]) / int(image["height"]), rel=0.01)


def test_readers_who_do_not_see_are_told(page):
    assert len(page.all("img")) == 2 + 3 + 1 + 1 + 1
    assert all(len(image["alt"]) > 20 for image in page.all("img"))
    assert len(page.all("caption")) == len(page.all("table")) == 2 + 2 + 1
    assert all("scope" in head for head in page.all("th"))


def test_it_says_what_it_was_given(page):
    text = page.text
    assert "Regression, scored by log_rmse (lower is better): 1,460 training rows in 5 folds, 1,459 test rows" in text
    assert "blend 0.1151 0.0071 trees book 0.0600 0.1200 0.0071 5 50.0% overfits ridge" in text
    assert "0.1151 is 0.0049 better than that of the best single model, trees (within what these" in text
    assert "Feature set 'book' takes its statistics from training and test rows together." in text
    assert "Id identifier Street constant" in text
    assert "Test" not in text
    assert "Validation 0.1200 ± 0.0071; folds 0.1129, 0.1271. Training rows score 0.0600: a gap of 0.0600" in text


def test_the_first_screen_says_how_good_how_sure_what_is_wrong_what_next_and_where(html, page):
    first = page.text[: page.text.index("Train and validation are means")]
    assert "Blend, validation 0.1151 ± 0.0071 over the folds; 95%: 0.1050 to 0.1250" in first
    assert "Baseline 0.4000 the median" in first and "Findings 1 overfits (POD102)" in first
    assert "Overfits POD102, warning trees: 0.06 on training rows" in first and "Next: More rows in a leaf." in first
    assert "data/house_prices/submission.csv" in first and "Muted in params.yaml: POD401." in first
    assert html.index('id="findings"') < html.index('id="leaderboard"')


def test_without_findings_it_says_so_and_a_finding_that_failed_is_told():
    told = Page(build_page({**DATA, "findings": [], "failed": {"POD201": "ValueError: odd"}})).text
    assert "Nothing found to be the matter, of 20 things looked for." in told
    assert "POD201 could not be asked: ValueError: odd." in told and "nothing serious found" in told


def test_the_card_of_findings_counts_the_notes_that_stand_below_it_too():
    note = {**DATA["findings"][0], "code": "POD401", "severity": "note", "title": "no clear winner"}
    told = Page(build_page({**DATA, "findings": [*DATA["findings"], note, note]})).text
    assert "Findings 1 overfits (POD102); 2 notes" in told


def test_without_test_rows_no_submission_is_promised():
    told = Page(build_page({**DATA, "submission": None})).text
    assert "submission lies" not in told and "python -m pipeline predict house_prices answers new rows" in told


def test_scores_that_are_close_are_told_apart_however_far_folds_spread():
    close = [row(name, valid, 0.0216) for name, valid in (("a", 0.11426), ("b", 0.11458), ("c", 0.11673))]
    data = {**copy.deepcopy(DATA), "leaderboard": close, "models": [], "blend": None}
    text = Page(build_page(data)).text
    assert "0.1143 0.0216" in text and "0.1146 0.0216" in text


def test_the_best_row_is_marked_and_names_are_without_the_competitions():
    data = copy.deepcopy(DATA)
    for entry in data["leaderboard"][1:]:
        entry["model"] = f"house_prices-{entry['model']}"
    data["leaderboard"][1]["valid"] = 0.1
    data["models"] = []
    html = build_page(data)
    assert '<tr class="lead"><th scope="row">trees</th>' in html and "house_prices-trees" not in html
    assert html.count('<tr class="lead">') == 1


def test_what_limits_the_scores_stands_beside_them(page):
    text = page.text
    assert text.index("Leaderboard") < text.index("How far to trust the scores") < text.index(DATA["notes"][0])
    assert text.count(DATA["notes"][0]) == 1
    assert "Decided" not in text
    data = {**copy.deepcopy(DATA), "leaderboard": [row("lone", 0.5, decided=0.6)], "models": [], "blend": None}
    assert "Decided is validation with the thresholds that a submission takes." in Page(build_page(data)).text


def decision(**thresholds):
    return {"decision": {"kind": "thresholds", "thresholds": thresholds}, "valid": 0.7, "decided": 0.8}


def test_thresholds_stand_in_one_table_with_what_they_gain(page):
    assert "Thresholds" not in page.text
    blend = {
        **DATA["blend"],
        **decision(no=0.7, yes=0.3),
        "models": {"house_prices-trees": decision(no=0.6, yes=0.4), "ridge": {**decision(), "decision": None}},
    }
    told = Page(build_page({**DATA, "blend": blend})).text
    assert "yes is answered where its probability is above the threshold, in place of 0.5" in told
    assert "Model yes above Without With blend 0.300 0.7000 0.8000 trees 0.400 0.7000 0.8000 ridge 0.7000" in told
    lone = {**DATA["blend"], **decision(a=0.2, b=0.3, c=0.5), "models": {"trees": decision(a=0.2, b=0.3, c=0.5)}}
    told = Page(build_page({**DATA, "blend": lone})).text
    assert "in place of 0.333 for each" in told and "Model a b c Without With trees 0.200 0.300 0.500 0.7000" in told
    many = decision(**{f"c{i}": 0.05 for i in range(19)}, rare=0.001)
    told = Page(build_page({**DATA, "blend": {**DATA["blend"], **many, "models": {"trees": many}}})).text
    assert "of 20 classes the 10 furthest from that" in told and "c8 rare Without" in told
    cuts = {"decision": {"kind": "cut_points", "cuts": [1.4, 2.75], "lowest": 1}, "valid": 0.7, "decided": 0.8}
    told = Page(build_page({**DATA, "blend": {**DATA["blend"], **cuts, "models": {"trees": cuts}}})).text
    assert "in place of 1.5, 2.5." in told and "Model Cut 1 Cut 2 Without With trees 1.400 2.750" in told


def test_scores_that_count_rows_as_the_test_file_asks_have_a_column(page):
    assert "Weighted" not in page.text
    data = {**copy.deepcopy(DATA), "leaderboard": [row("lone", 0.5, weighted=0.734)], "models": [], "blend": None}
    text = Page(build_page(data)).text
    assert "Weighted is validation with rows counting" in text and "0.734" in text


def test_models_stand_in_the_leaderboards_order(page):
    headings = [attributes["id"] for attributes in page.all("details")]
    assert headings == ["model-trees", "model-ridge", "model-words"]
    assert "Nothing to draw for predictions of this kind." in page.text


def test_it_says_where_answers_err_what_a_model_looks_at_and_what_models_cost(page):
    text = page.text
    assert "beyond what chance gives 40 such slices" in text
    assert "Street Gravel harder 60 0.3000 0.1000 < 0.001" in text
    assert "Row Truth Predicted area 31 12,789 59,226 missing" in text
    assert "a, not b (90%): good or bad" in text
    marks = [(one["class"], one["style"]) for one in page.all("span") if one.get("class") in ("up", "down")]
    assert marks == [("up", "--strength: 1.00"), ("down", "--strength: 0.50")]
    assert "Model Folds Peak memory Trained rows/s Answered rows/s On disk trees 12 s 200 MB 5,300 41k 870 kB" in text
    assert "model: lightgbm depth: 3 rate: 0.1235" in text
    data = copy.deepcopy(DATA)
    parts = [{"name": "shift", "by": 0.07}, {"name": "flip"}, "crop"]
    data["models"][2]["settings"] = {"fit": {"augmentation": parts, "amsgrad": False, "seed": None}}
    told = Page(build_page(data)).text
    assert "augmentation: [shift (by: 0.07), flip, crop] amsgrad: false seed: none" in told


def test_without_slices_that_differ_it_says_how_many_were_asked():
    text = Page(build_page({**DATA, "slices": {"asked": 40, "found": []}, "worst": None})).text
    assert "No slice of rows (bins, levels, lengths: 40 were asked about) is answered better or worse" in text
    assert "furthest" not in text


def test_a_command_in_a_note_is_code_and_what_is_no_pair_of_backticks_stays():
    notes = ["Of other data; `python -m pipeline curve a`.", "A column `x", f"`{EVIL}`"]
    html = build_page({**DATA, "notes": notes})
    assert "Of other data; <code>python -m pipeline curve a</code>." in html and "A column `x<" in html
    assert EVIL not in html and "<code>&lt;script&gt;" in html


def test_nothing_it_was_given_becomes_markup():
    data = copy.deepcopy(DATA)
    data.update(competition=EVIL, metric=EVIL, notes=[EVIL], dropped={EVIL: EVIL}, task=EVIL, submission=EVIL)
    data["findings"][0].update(title=EVIL, measured=EVIL, why=EVIL, next=EVIL)
    data["models"][1].update(importance={EVIL: 1.0})
    data["models"][1]["diagnostic"]["data"]["unit"] = EVIL
    data["models"][2]["words"][0].update(told=EVIL, words=[EVIL] * 3)
    data["models"][2]["settings"] = {"model": {EVIL: EVIL}}
    data["slices"]["found"][0].update(column=EVIL, slice=EVIL)
    data["worst"]["rows"][0].update(row=EVIL, truth=EVIL, said=EVIL, values=[EVIL])
    for entry in data["leaderboard"]:
        entry["features"] = EVIL
    html = build_page(data)
    assert not Page(html).all("script") and not Page(html).all("b")
    assert EVIL in Page(html).text


def test_a_known_solution_adds_a_column():
    data = copy.deepcopy(DATA)
    data["models"] = []
    for entry in data["leaderboard"]:
        entry["test"] = entry["valid"] + 0.001
    text = Page(build_page(data)).text
    assert "Test 0.1161 known solution" in text
    assert "Validation Spread Test Trials Weight Verdict" in text


def test_one_model_without_a_blend_higher_is_better_and_large_scores():
    data = copy.deepcopy(DATA)
    data.update(higher_is_better=True, leaderboard=[row("lone", 31234.5, 1234.0)], models=[], blend=None, dropped={})
    data.update(baseline=None, fit={}, interval=None)
    text = Page(build_page(data)).text
    assert "lone, validation 31,234" in text and "higher is better" in text
    assert "Blend" not in text and "Every column is read by a model." in text
    data.update(leaderboard=[row("blend", 31234.5, 1234.0), row("lone", 31234.5, 1234.0)])
    text = Page(build_page(data)).text
    assert "lone, validation 31,234" in text and "Best single model" not in text, "one model is no blend"


@pytest.mark.parametrize(
    ("valid", "spread", "shown"),
    [(0.01023, 0.0002, "0.01023"), (0.8412, 0.011, "0.841"), (123456.7, 900.0, "123,457"), (-0.5, 0.01, "−0.500")],
)
def test_scores_show_as_many_digits_as_they_tell_apart(valid, spread, shown):
    data = {**copy.deepcopy(DATA), "leaderboard": [row("lone", valid, spread)], "models": [], "blend": None}
    assert f"lone, validation {shown} ±" in Page(build_page(data)).text


def test_equal_scores_without_spread_do_not_stop_it():
    data = copy.deepcopy(DATA)
    data["models"] = []
    for entry in data["leaderboard"]:
        entry.update(valid=0.5, spread=0.0, folds=[0.5, 0.5], train=0.5)
    data["blend"]["valid"] = 0.5
    assert "0.5000 is the same as that of the best single model" in Page(build_page(data)).text


def test_the_same_data_give_the_same_page(html):
    assert build_page(copy.deepcopy(DATA)) == html


def test_what_cleaning_changed_is_shown_and_escaped(html):
    assert "Cleaning" not in html
    line = {"column": "text", "step": "spaces", "texts": 200, "changed": 50, "examples": [["a\xa0<b>", "a <b>"]]}
    idle = {"column": "text", "step": "control", "texts": 200, "changed": 0, "examples": []}
    told = Page(build_page({**DATA, "cleaning": [line, idle]})).text
    assert "text spaces 50 25.0% a⟨U+00A0⟩<b> → a <b>" in told and "text: nothing to change for control." in told
