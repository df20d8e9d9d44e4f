"""Fill a cache of the Hugging Face hub with tiny checkpoints under the names of the published ones.

The layouts are the published ones; the weights are random. Code from a document finds its checkpoints there by the
names that the document prints, without a network.
"""

from pathlib import Path

import torch
import transformers

from tests.support.classifiers import give_speech_head, make_classifier
from tests.support.tiny_audio2img import make_audio2img
from tests.support.tiny_checkpoint import make_sd2

REVISION = "0" * 40
AUDIO2IMG = "youzarsif/wav2vec2bert_2_diffusion"
KEYWORDS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go", "_silence_", "_unknown_")
EMOTIONS = ("angry", "calm", "disgust", "fearful", "happy", "neutral", "sad", "surprised")


def add_repository(cache: Path, hub_id: str, folder: Path) -> None:
    """Add a folder to a hub cache, as the downloaded repository of a hub id."""
    repository = cache / f"models--{hub_id.replace('/', '--')}"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(REVISION)
    (repository / "snapshots").mkdir()
    (repository / "snapshots" / REVISION).symlink_to(folder, target_is_directory=True)


def make_w2v_bert(folder: Path) -> Path:
    """Write a Wav2Vec2-BERT without a head and its feature extractor, in the layout of facebook/w2v-bert-2.0."""
    config = transformers.Wav2Vec2BertConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, output_hidden_size=16
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        transformers.Wav2Vec2BertModel(config).save_pretrained(folder)
    transformers.SeamlessM4TFeatureExtractor(padding_value=1.0).save_pretrained(folder)
    return folder


def named(labels: tuple[str, ...]) -> dict[str, object]:
    return {"id2label": dict(enumerate(labels)), "label2id": {label: number for number, label in enumerate(labels)}}


def fill_hub_cache(cache: Path, folder: Path, *, ctc: Path, wav2vec2: Path, sound: Path, speech: Path) -> None:
    """Fill an empty hub cache.

    Args:
        cache: the cache.
        folder: where to write the checkpoints that are made here.
        ctc: a CTC checkpoint of a Wav2Vec2-BERT with an adapter.
        wav2vec2: one of wav2vec2.
        sound, speech: AudioLDM 2 with T5 and with VITS.
    """
    add_repository(cache, "facebook/w2v-bert-2.0", make_w2v_bert(folder / "w2v-bert"))
    add_repository(cache, "hf-audio/wav2vec2-bert-CV16-en", ctc)
    add_repository(cache, "facebook/wav2vec2-base-960h", wav2vec2)
    for name in ("audioldm2", "audioldm2-large", "audioldm2-music"):
        add_repository(cache, f"cvssp/{name}", sound)
    for name in ("audioldm2_gigaspeech", "audioldm2_ljspeech"):
        add_repository(cache, f"anhnct/{name}", speech)
    keywords = make_classifier(folder / "keywords", "wav2vec2-base", **named(KEYWORDS))
    add_repository(cache, "superb/wav2vec2-base-superb-ks", keywords)
    emotions = make_classifier(folder / "emotions", "xlsr", **named(EMOTIONS))
    give_speech_head(emotions, last="output", labels=len(EMOTIONS))
    add_repository(cache, "ehcalabres/wav2vec2-lg-xlsr-en-speech-emotion-recognition", emotions)
    audio2img = make_audio2img(folder / "audio2img")
    for name in ("wav2vec2bert_2_diffusion", "wav2vec2bert_2_diffusion_ckpt_1728"):
        add_repository(cache, f"youzarsif/{name}", audio2img)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        make_sd2(folder / "sd-text", length=77).save_pretrained(folder / "sd")
    for owner in ("stabilityai", "sd2-community"):
        add_repository(cache, f"{owner}/stable-diffusion-2-1", folder / "sd")
