"""English prose: the help texts of the Python language (standard library, ``pydoc_data.topics``)."""

from __future__ import annotations

from pipeline.core.registry import settings
from pipeline.sources.competition import CompetitionTables, compete, split_rows
from pipeline.sources.datasets import datasets

SHORTEST = 200


@datasets.register("pydoc_topics")
@settings
class PydocTopics:
    def build(self) -> CompetitionTables:
        """One row a topic: text and its length, the target ``characters``; a submission says ``nll``,
        the negative log-likelihood of the text in nats.

        Long topics repeat short ones word for word; a paragraph stays in the shortest topic that has
        it, so that no test text is in the training texts.
        """
        from pydoc_data.topics import topics

        import pandas as pd

        seen: set[str] = set()
        texts: dict[str, str] = {}
        for topic in sorted(topics, key=lambda topic: (len(topics[topic]), topic)):
            lines = (line.rstrip() for line in topics[topic].splitlines())
            paragraphs = [paragraph for paragraph in "\n".join(lines).split("\n\n") if paragraph.strip()]
            text = "\n\n".join(paragraph for paragraph in paragraphs if paragraph not in seen)
            seen.update(paragraphs)
            if len(text) >= SHORTEST:
                texts[topic] = text
        rows = pd.DataFrame({"text": [texts[topic] for topic in sorted(texts)]})
        rows["characters"] = rows["text"].str.len()
        train, test = split_rows(rows, "pydoc_topics", test_share=0.2)
        return compete(train, test, target="characters", guess=0.0, answer="nll")
