"""TF-IDF and its components against scikit-learn's own."""

import json

import numpy as np
import pandas as pd
import pytest
from columns import dense
from scipy.sparse import csr_matrix, hstack
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer, TfidfVectorizer

from pipeline.core.errors import Faults, UserError
from pipeline.core.types import Column, Schema
from pipeline.features import features
from pipeline.features.packed import pack, unpack

WORDS = ["the", "a", "of", "fire", "Flood,", "storm's", "calm", "été", "naïve", "x", "42", "#quake", "@you"]
WORDS += ["http://t.co/ab", "&amp;", "—", "火事"]
SCHEMA = Schema(None, "y", (Column("t", "text"), Column("u", "text"), Column("c", "category"), Column("n", "number")))


def make_rows(count: int = 120, seed: int = 0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    texts = [" ".join(random.choice(WORDS, random.integers(1, 12))) for _ in range(count)]
    rows = pd.DataFrame({"t": pd.Series(texts, dtype="str"), "n": random.normal(size=count)})
    rows["u"] = pd.Series(texts[::-1], dtype="str").mask(random.random(count) < 0.2)
    rows["c"] = pd.Series(random.choice(["p", "q", "r"], count), dtype="str").mask(random.random(count) < 0.1)
    rows["y"] = random.normal(size=count)
    return rows


ROWS, OTHER = make_rows(), make_rows(40, seed=1)


def build(name: str = "tfidf", **options):
    return features.build({"name": name, **options}, "x")


def sparse(encoder, rows: pd.DataFrame) -> csr_matrix:
    """The bag as a model reads it: [rows, vocabulary without padding]."""
    encoded, size = encoder.encode(rows), encoder.spec.sizes["tokens"]
    tokens, weights = encoded["tokens"], encoded["weights"]
    assert weights.values.dtype == np.float32 and len(tokens) == len(rows)
    assert (tokens.lengths == weights.lengths).all()
    assert (tokens.values > 0).all() and (weights.values > 0).all()
    row = np.repeat(np.arange(len(rows)), tokens.lengths)
    return csr_matrix((weights.values, (row, tokens.values)), shape=(len(rows), size))[:, 1:]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [{"ngram_range": (1, 2)}]),
        ({"words": [1, 1], "minimum_count": 1, "sublinear": False}, [{"min_df": 1, "sublinear_tf": False}]),
        ({"words": None, "characters": [3, 5]}, [{"analyzer": "char_wb", "ngram_range": (3, 5)}]),
        ({"marks": True}, [{"ngram_range": (1, 2), "token_pattern": r"\w+|[^\w\s]"}]),
        ({"characters": [2, 3]}, [{"ngram_range": (1, 2)}, {"analyzer": "char_wb", "ngram_range": (2, 3)}]),
    ],
)
def test_tfidf_agrees_with_scikit_learn(options, expected):
    encoder = build(columns=["t"], categories=False, **options).fit(ROWS, SCHEMA, seed=0)
    bags = [TfidfVectorizer(**{"min_df": 2, "sublinear_tf": True, **one}).fit(ROWS["t"]) for one in expected]
    names = [f"t: {term}" for bag in bags for term in bag.get_feature_names_out()]
    assert encoder.spec.vocabularies["tokens"] == ["<pad>", *names]
    for rows in (ROWS, OTHER):
        wanted = hstack([bag.transform(rows["t"]) for bag in bags])
        np.testing.assert_allclose(sparse(encoder, rows).toarray(), wanted.toarray(), atol=1e-6)


def test_a_texts_ends_are_words_and_shapes_a_bag_of_their_own():
    """Against scikit-learn on texts written out so by hand."""
    texts = pd.Series(["Who is Nils Bohr?", "What is NATO, in 1990s", "who was it ?", "is 42", ""], dtype="str")
    ended = ["␂ who is nils bohr ? ␃", "␂ what is nato , in 1990s ␃", "␂ who was it ? ␃", "␂ is 42 ␃", "␂ ␃"]
    shapes = ["␂ Xx x Xx Xx ? ␃", "␂ Xx x XX , x x9 ␃", "␂ x x x ? ␃", "␂ x 9 ␃", "␂ ␃"]
    rows = pd.DataFrame({"t": texts, "y": np.arange(5.0)})
    options = {"columns": ["t"], "categories": False, "marks": True, "ends": True, "minimum_count": 1}
    encoder = build(**options, shapes=[1, 3], characters=[2, 3]).fit(rows, SCHEMA, seed=0)
    split = {"token_pattern": r"\S+", "sublinear_tf": True, "lowercase": False}
    bags = [
        TfidfVectorizer(ngram_range=(1, 2), **split).fit_transform(ended),
        TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 3), sublinear_tf=True).fit_transform(texts),
        TfidfVectorizer(ngram_range=(1, 3), **split).fit_transform(shapes),
    ]
    np.testing.assert_allclose(sparse(encoder, rows).toarray(), hstack(bags).toarray(), atol=1e-6)
    again = build(**options, shapes=[1, 3], characters=[2, 3]).restore(json.loads(json.dumps(encoder.state())), SCHEMA)
    np.testing.assert_array_equal(sparse(again, rows).toarray(), sparse(encoder, rows).toarray())
    plain = build(**{**options, "marks": False, "words": [1, 1]}).fit(rows, SCHEMA, seed=0)
    assert {"t: ␂", "t: ␃", "t: who"} <= set(plain.spec.vocabularies["tokens"])


def test_hashed_terms_are_scikit_learns_and_as_many_as_their_buckets():
    """Of the buckets that enough training texts fall into, TF-IDF as of any other terms."""
    encoder = build(columns=["t"], categories=False, buckets=16, minimum_count=2).fit(ROWS, SCHEMA, seed=0)
    hasher = HashingVectorizer(n_features=16, alternate_sign=False, norm=None, ngram_range=(1, 2))
    counts = hasher.transform(ROWS["t"])
    used = np.flatnonzero((counts > 0).sum(axis=0) >= 2)
    weigher = TfidfTransformer(sublinear_tf=True).fit(counts[:, used])
    wanted = weigher.transform(hasher.transform(OTHER["t"])[:, used])
    np.testing.assert_allclose(sparse(encoder, OTHER).toarray(), wanted.toarray(), atol=1e-6)
    assert encoder.spec.vocabularies["tokens"][1:] == [f"t: words #{i}" for i in used]
    both = build(categories=False, buckets=16, characters=[2, 3]).fit(ROWS, SCHEMA, seed=0)
    names = both.spec.vocabularies["tokens"]
    assert len(set(names)) == len(names) <= 1 + 4 * 16
    assert len(both.encode(OTHER[:0])["tokens"]) == 0


def test_columns_stand_side_by_side_and_each_level_is_a_term():
    encoder = build(words=[1, 1]).fit(ROWS, SCHEMA, seed=0)
    bags = [TfidfVectorizer(min_df=2, sublinear_tf=True).fit(ROWS[name].fillna("")) for name in ("t", "u")]
    names = encoder.spec.vocabularies["tokens"][1:]
    assert names[-4:] == ["c=p", "c=q", "c=r", "c is missing"]
    assert len(names) == len(set(names)) == sum(len(bag.vocabulary_) for bag in bags) + 4
    texts = hstack([bag.transform(OTHER[name].fillna("")) for bag, name in zip(bags, ("t", "u"))])
    levels = np.column_stack([*(OTHER["c"] == level for level in "pqr"), OTHER["c"].isna()])
    wanted = np.hstack([texts.toarray(), levels])
    np.testing.assert_allclose(sparse(encoder, OTHER).toarray(), wanted, atol=1e-6)
    unseen = OTHER.assign(c=pd.Series(["s"] * len(OTHER), dtype="str"))
    assert sparse(encoder, unseen)[:, -4:].nnz == 0


def test_the_vocabulary_keeps_the_terms_in_most_texts_and_a_row_its_heaviest():
    small = build(columns=["t"], words=[1, 1], categories=False, vocabulary_size=5).fit(ROWS, SCHEMA, seed=0)
    counts = TfidfVectorizer().fit_transform(ROWS["t"])
    most = np.sort(np.asarray((counts > 0).sum(axis=0)).ravel())
    kept = sparse(small, ROWS)
    assert kept.shape[1] == 5
    assert sorted(np.asarray((kept > 0).sum(axis=0)).ravel()) == most[-5:].tolist()
    whole = build(columns=["t"], categories=False).fit(ROWS, SCHEMA, seed=0)
    short = build(columns=["t"], categories=False, maximum_length=3).fit(ROWS, SCHEMA, seed=0)
    full, cut = sparse(whole, OTHER).toarray(), sparse(short, OTHER).toarray()
    assert short.spec.shapes == {"tokens": (3,), "weights": (3,)}
    for row, heavy in zip(full, cut, strict=True):
        assert np.sort(heavy)[-3:].tolist() == np.sort(row)[-3:].tolist() and (heavy > 0).sum() <= 3


def test_a_new_row_keeps_all_its_terms_however_few_the_training_rows_had():
    rows = ROWS.assign(t=pd.Series([f"w{i % 8} x{i % 8}" for i in range(len(ROWS))], dtype="str"))
    new = rows[:1].assign(t=" ".join(f"w{i} x{i}" for i in range(8)))
    encoder = build(columns=["t"], words=[1, 1], categories=False).fit(rows, SCHEMA, seed=0)
    bag = sparse(encoder, new)
    assert bag.nnz == 16 and np.linalg.norm(bag.data) == pytest.approx(1)


def test_numbers_stand_beside_the_terms():
    encoder = build(numbers={"bins": {"count": 3}}).fit(ROWS, SCHEMA, seed=0)
    alone = build("tabular", categories="none", bins={"count": 3}).fit(ROWS, SCHEMA, seed=0)
    terms = build().fit(ROWS, SCHEMA, seed=0)
    np.testing.assert_array_equal(encoder.encode(OTHER)["numbers"], alone.encode(OTHER)["numbers"])
    assert encoder.spec.names["numbers"] == alone.spec.names["numbers"]
    np.testing.assert_array_equal(dense(encoder.encode(OTHER)["tokens"]), dense(terms.encode(OTHER)["tokens"]))
    without = Schema(None, "y", SCHEMA.columns[:3])
    none = build(numbers={}).fit(ROWS, without, seed=0)
    assert none.encode(OTHER)["numbers"].shape == (40, 0) and set(none.encode(OTHER)) == build(numbers={}).gives
    with pytest.raises(Faults, match="native categories"):
        build(numbers={"categories": "native"})


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"numbers": {"scale": "robust"}},
        {"characters": [3, 4], "rare": 30},
        {"characters": [3, 4], "buckets": 50, "marks": True},
        {"columns": ["u"], "categories": False},
    ],
)
def test_state_round_trips_bit_for_bit(options):
    encoder = build(**options).fit(ROWS, SCHEMA, seed=0)
    state = json.loads(json.dumps(encoder.state(), sort_keys=True, allow_nan=False))
    again = build(**options).restore(state, SCHEMA)
    assert again.spec == encoder.spec and again.state() == encoder.state()
    for name, values in encoder.encode(OTHER).items():
        np.testing.assert_array_equal(dense(again.encode(OTHER)[name]), dense(values))


def components(encoder, rows: pd.DataFrame) -> np.ndarray:
    numbers = pd.DataFrame(encoder.encode(rows)["numbers"], columns=encoder.spec.names["numbers"])
    return numbers.filter(like=" component ").to_numpy()


def test_components_agree_with_truncated_svd():
    options = {"texts": {"components": 4, "columns": ["t"]}, "scale": "none"}
    encoder = build("tabular", **options).fit(ROWS, SCHEMA, seed=0)
    assert encoder.spec.names["numbers"][:5] == ["n", *(f"t component {k}" for k in (1, 2, 3, 4))]
    bag = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True).fit(ROWS["t"])
    expected = TruncatedSVD(4, random_state=0).fit(bag.transform(ROWS["t"]))
    for rows in (ROWS, OTHER):
        np.testing.assert_allclose(components(encoder, rows), expected.transform(bag.transform(rows["t"])), atol=1e-5)


@pytest.mark.parametrize("name", ["tabular", "categorical"])
def test_components_are_scaled_together_and_come_back_exactly(name):
    feature_set = build(name, texts={"components": 3})
    encoder = feature_set.fit(ROWS, SCHEMA, seed=5)
    got = components(encoder, ROWS)
    assert got.shape == (len(ROWS), 6)
    if name == "tabular":
        np.testing.assert_allclose(got.mean(axis=0), 0, atol=1e-5)
        np.testing.assert_allclose([got[:, :3].std(axis=0).max(), got[:, 3:].std(axis=0).max()], 1, atol=1e-5)
    again = feature_set.restore(json.loads(json.dumps(encoder.state())), SCHEMA)
    np.testing.assert_array_equal(components(again, OTHER), components(encoder, OTHER))
    np.testing.assert_array_equal(
        components(feature_set.fit(ROWS.copy(), SCHEMA, seed=5), OTHER), components(encoder, OTHER)
    )
    missing = OTHER.assign(u=pd.Series([None] * len(OTHER), dtype="str"))
    if name == "categorical":
        assert (components(encoder, missing)[:, 3:] == 0).all()


def test_texts_without_terms_give_no_components():
    rows = ROWS.assign(t=pd.Series([""] * len(ROWS), dtype="str"), u=pd.Series(["once"] + [""] * 119, dtype="str"))
    encoder = build("tabular", texts={}).fit(rows, SCHEMA, seed=0)
    assert encoder.spec.names["numbers"] == ["n", "c=p", "c=q", "c=r", "c is missing"]
    bag = build(characters=[3, 5], categories=False).fit(rows, SCHEMA, seed=0)
    assert not bag.encode(rows)["tokens"].lengths.any() and bag.spec.sizes["tokens"] == 1
    same = rows.assign(t=pd.Series(["one and the same"] * 120, dtype="str"))
    assert components(build("tabular", texts={"columns": ["t"]}).fit(same, SCHEMA, seed=0), same).shape == (120, 1)


def test_texts_are_off_unless_asked_for():
    encoder = build("tabular").fit(ROWS, SCHEMA, seed=0)
    assert not [name for name in encoder.spec.names["numbers"] if name.startswith(("t", "u"))]
    assert "t" not in encoder.reads and "t" in build("tabular", texts={}).fit(ROWS, SCHEMA, seed=0).reads


def test_arrays_pack_whole():
    for array in (np.random.default_rng(0).normal(size=(3, 4)).astype("float32"), np.zeros((0, 5)), np.arange(3)):
        again = unpack(json.loads(json.dumps(pack(array))))
        assert again.dtype == array.dtype and again.flags.writeable
        np.testing.assert_array_equal(again, array)


def test_settings_that_cannot_be_are_refused():
    with pytest.raises(Faults, match="needs words or characters"):
        build(words=None)
    with pytest.raises(Faults, match="two lengths from 1 up"):
        build("tabular", texts={"characters": [5, 3]})
    with pytest.raises(UserError, match="no such column"):
        build("tabular", texts={"columns": ["v"]}).fit(ROWS, SCHEMA, seed=0)
    with pytest.raises(UserError, match="needs a text or category column"):
        build().fit(ROWS, Schema(None, "y", (Column("n", "number"),)), seed=0)


@pytest.mark.parametrize("marks", [False, True])
def test_vowels_and_tones_are_of_the_word_that_they_stand_in(marks):
    """Which are no letters to Python: scikit-learn's pattern finds no word in most of Hindi's."""
    texts = pd.DataFrame({"t": pd.Series(["हिन्दी भाषा है", "தமிழ் மொழி", "ที่นี่ it", "שָׁלוֹם"], dtype="str")})
    schema = Schema(None, None, (Column("t", "text"),))
    encoder = build(words=[1, 1], marks=marks, minimum_count=1).fit(texts, schema, 0)
    known = {term.removeprefix("t: ") for term in encoder.spec.vocabularies["tokens"][1:]}
    assert known == {word for text in texts["t"] for word in text.split()}
    again = build(words=[1, 1], marks=marks, minimum_count=1).restore(encoder.state(), schema)
    assert encoder.encode(texts)["tokens"].lengths.tolist() == [3, 2, 2, 1]
    assert again.encode(texts.iloc[2:])["tokens"].lengths.tolist() == [2, 1]


@pytest.mark.parametrize(
    ("numbers", "names"),
    [
        ({}, []),
        ({"categories": "count"}, ["c count"]),
        ({"many": {"above": 2, "how": "target"}}, ["c mean target"]),
        ({"texts": {"columns": ["t"], "components": 1}}, ["t component 1"]),
    ],
)
def test_numbers_of_categories_and_texts_are_made_where_there_is_no_number_column(numbers, names):
    schema = Schema(None, "y", (Column("t", "text"), Column("c", "category")))
    encoder = build(columns=["t"], numbers=numbers).fit(ROWS, schema, 0)
    assert encoder.spec.names["numbers"] == names
    assert encoder.encode(ROWS)["numbers"].shape == (len(ROWS), len(names))
