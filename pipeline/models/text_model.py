"""Settings that all networks on a text have in common."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from pipeline.core.errors import UserError
from pipeline.core.files import shown
from pipeline.core.paths import main_root
from pipeline.core.registry import settings
from pipeline.core.types import Model, Spec

if TYPE_CHECKING:
    from pipeline.models.layers.text_network import Words


@settings
class TextModel(Model):
    """A network on ``tokens``, with ``numbers`` and ``categories`` beside them where there are some.

    embedding: size of a word's vector.
    vectors: a text file of word2vec or GloVe, relative to the project or absolute, that words begin with; its
        vectors must have the size ``embedding``. vectors_trained: whether words learn on.
    """

    embedding: int = Field(default=128, ge=1)
    vectors: str | None = None
    vectors_trained: bool = True

    tasks: ClassVar[tuple[str, ...]] = ("regression", "classification")
    needs: ClassVar[frozenset[str]] = frozenset({"tokens"})
    may_read: ClassVar[frozenset[str]] = frozenset({"numbers", "categories"})
    learner: ClassVar[str] = "neural"

    def __post_init__(self) -> None:
        if self.vectors is None and not self.vectors_trained:
            raise ValueError("vectors_trained: false needs vectors that words begin with")

    @property
    def code_files(self) -> tuple[Path, ...]:
        """The file of vectors: what is fitted hangs on what stands in it."""
        if self.vectors is None:
            return ()
        place = main_root() / self.vectors
        if not place.is_file():
            raise UserError(
                f"{shown(place)}: no such file of word vectors; put it there, or correct the model's vectors"
            )
        return (place,)

    def words(self, spec: Spec) -> Words:
        from pipeline.models.layers.text_network import Words

        place = None if self.vectors is None else main_root() / self.vectors
        return Words(spec, self.embedding, place, self.vectors_trained)
