"""Retrieval by vectors: recordings for a text, and recordings of the same thing in another language.

    python -m benchmarks.retrieval [--nouns index.noun]

The recordings are the test recordings of the Tux Paint corpus (`recipes.tiny.corpus`): 625 of nine speakers, one a
language, whose other recordings the bundled model was trained on, and 1,047 of three speakers (Greek, Danish and Dutch)
whom it was not. All are candidates. A recording is relevant if its caption is that of the query, whatever the case of
its letters. For a query that is a recording, those in its own language, and of the same bytes, are no candidates: what
is left are other people in other languages.

Texts are the English captions that have a recording, their translations, and these in lower case without their article
and full stop. R@k is the fraction of the queries with a relevant recording among the first k, mAP the mean average
precision, in per cent. `CaptionRanker` compares a text with the mixture of each recording, which vectors approximate.

With --nouns, a file of WordNet (`/usr/share/wordnet/index.noun` of Debian's wordnet-base), the table is another: how
many of 1,000 random nouns are taken for a word in another language, and how many words in other languages, of every
third caption, stand for their caption with an s added or their last letter cut off.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import normalize

from benchmarks.report import Report, add_output_option
from photism import AudioEmbedder, CaptionRanker
from photism.hub import bundled_model
from photism.prompts.caption_translations import CaptionTranslations
from photism.prompts.metrics import mean_average_precision, retrieval
from photism.prompts.model_files import TRANSLATIONS, load_captions
from recipes.tiny.corpus import UNSEEN_LANGUAGES, Recording, read_captions, read_recordings
from recipes.tiny.evaluate import digest
from recipes.tiny.translations import read_translations

BATCH_SIZE = 32
LANGUAGES = {"fr": "French", "es": "Spanish", "ru": "Russian", "de": "German"}
ARTICLE = re.compile(r"^(un|une|le|la|les|des|du|l'|el|los|las|unos|unas|una|ein|eine|der|die|das)\s+", re.IGNORECASE)


def add_metrics(report: Report, case: str, side: str, similarity: Tensor, relevant: Tensor) -> None:
    """Record the metrics of the queries, rows of (N, M), that have a relevant candidate."""
    answerable = relevant.any(1)
    similarity, relevant = similarity[answerable], relevant[answerable]
    found = retrieval(similarity, relevant)
    values = {"R@1": found.recall_at_1, "R@5": found.recall_at_5, "R@10": found.recall_at_10}
    values["mAP"] = mean_average_precision(similarity, relevant)
    report.add(case, side, queries=len(relevant), **{f"{name} %": 100 * float(each) for name, each in values.items()})


def embed(embedder: AudioEmbedder, recordings: Sequence[Recording]) -> Tensor:
    """Return the vectors (N, D) of recordings."""
    rows = embedder.stream([each.path for each in recordings], batch_size=BATCH_SIZE)
    return torch.stack([torch.from_numpy(each.vectors[0]) for each in rows])


def compare_texts(report: Report, embedder: AudioEmbedder, vectors: Tensor, recordings: Sequence[Recording]) -> None:
    """Record how recordings are found by texts."""
    distinct = {caption.lower(): index for index, caption in reversed(list(enumerate(read_captions())))}
    indices = sorted(distinct.values())
    captions = [read_captions()[index] for index in indices]
    relevant = torch.tensor([[each.caption.lower() == text.lower() for each in recordings] for text in captions])

    ranker = CaptionRanker.from_pretrained()
    prompts = ranker.encoder.encode([each.path for each in recordings], batch_size=BATCH_SIZE)
    tokens = normalize(normalize(prompts.prompt_embeds[:, 1:], dim=-1).mean(1), dim=-1)
    texts = ranker.encode_captions(captions)[:, 1 : ranker.encoder.prompt_length]
    mean_texts = normalize(normalize(texts, dim=-1).mean(1), dim=-1)

    english = "text in English"
    ranked = ranker.score_prompts(prompts, captions=captions).T
    add_metrics(report, english, "CaptionRanker", ranked, relevant)
    add_metrics(report, english, "vectors", text_vectors(embedder, captions) @ vectors.T, relevant)
    add_metrics(report, english, "mean of the tokens", mean_texts @ tokens.T, relevant)
    for language, translations in read_translations().items():
        if language in LANGUAGES:
            chosen = [translations[index] for index in indices]
            rows = torch.tensor([text is not None for text in chosen])
            spelled = [text for text in chosen if text is not None]
            bare = [without_article(text) for text in spelled]
            encoded = ranker.score_prompts(prompts, captions=spelled).T
            case = f"text in {LANGUAGES[language]}"
            add_metrics(report, case, "text encoder", encoded, relevant[rows])
            for name, texts in ((case, spelled), (f"{case} without article", bare)):
                add_metrics(report, name, "vectors", text_vectors(embedder, texts) @ vectors.T, relevant[rows])


def without_article(text: str) -> str:
    """Return a caption in lower case without its article and full stop."""
    return ARTICLE.sub("", text).lower().strip(" .!")


def compare_words(report: Report, nouns: Path) -> None:
    """Record how many English nouns and inexact words in other languages are taken for captions, in per cent."""
    folder = bundled_model()
    captions = load_captions(folder)
    translations = CaptionTranslations.read(folder, captions)
    names = [line.split(" ", 1)[0] for line in nouns.read_text().splitlines()]
    words = random.Random(0).sample([name for name in names if name.isalpha() and name.islower()], 1000)
    for case, article in (("English nouns, wrongly", ""), ("English nouns with a, wrongly", "a ")):
        taken = sum(translations.find(f"{article}{word}") is not None for word in words)
        report.add(case, None, **{"exact %": 100 * taken / len(words)})
    spelled = json.loads((folder / TRANSLATIONS).read_text())
    for language, spelled_out in LANGUAGES.items():
        parallel = zip(captions, spelled[language], strict=True)
        pairs = [(caption, without_article(text)) for caption, text in parallel if text][::3]
        shares: dict[str, float] = {}
        for change, ending, end in (("exact", "", None), ("an s added", "s", None), ("last letter cut off", "", -1)):
            found = [(caption, translations.find(text[:end] + ending)) for caption, text in pairs]
            taken = sum(meaning is not None and caption in meaning.captions for caption, meaning in found)
            shares[f"{change} %"] = 100 * taken / len(pairs)
        report.add(spelled_out, None, **shares)


def text_vectors(embedder: AudioEmbedder, texts: Sequence[str]) -> Tensor:
    return torch.from_numpy(embedder.embed_texts(texts))


def compare_recordings(report: Report, vectors: dict[str, Tensor], recordings: Sequence[Recording]) -> None:
    """Record how recordings in other languages are found by a recording, by the name of the vectors."""
    captions = [each.caption.lower() for each in recordings]
    digests = [digest(each) for each in recordings]
    is_other = torch.tensor(
        [
            [one.language != other.language and digests[i] != digests[j] for j, other in enumerate(recordings)]
            for i, one in enumerate(recordings)
        ]
    )
    relevant = is_other & torch.tensor([[one == other for other in captions] for one in captions])
    unseen = torch.tensor([each.language in UNSEEN_LANGUAGES for each in recordings])
    for name, each in vectors.items():
        similarity = (each @ each.T).masked_fill(~is_other, -torch.inf)
        for speakers, rows in (("seen", ~unseen), ("not seen", unseen)):
            case = f"recording of a speaker {speakers} in training"
            add_metrics(report, case, name, similarity[rows], relevant[rows])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nouns", type=Path, help="file of WordNet; measures words in place of retrieval")
    add_output_option(parser)
    arguments = parser.parse_args()
    if arguments.nouns:
        report = Report("Words that are taken for a caption", arguments)
        compare_words(report, arguments.nouns)
        report.print()
        return
    report = Report("Retrieval by vectors", arguments)
    recordings = [each for each in read_recordings() if each.is_test]
    embedder = AudioEmbedder.from_pretrained()
    start = time.perf_counter()
    vectors = embed(embedder, recordings)
    print(f"{len(recordings)} recordings, {time.perf_counter() - start:.0f} s")
    compare_texts(report, embedder, vectors, recordings)
    means = {
        f"mean of layer {layer}": embed(AudioEmbedder.from_pretrained(kind="mean", layer=layer), recordings)
        for layer in (0, 3, 6)
    }
    compare_recordings(report, {"vectors": vectors, **means}, recordings)
    report.print()


if __name__ == "__main__":
    main()
