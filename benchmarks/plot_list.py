"""The plots of the documents, by the names of their files in docs/plots."""

from benchmarks.plots import Plot

BOTH = {"Photism": "Photism", "transformers": "transformers"}
CLIPS = {f"one clip of {seconds} s": f"one clip of {seconds} s" for seconds in (10, 30, 60)}
CLIPS |= {"32 clips with durations of the corpus": "32 clips with durations of the corpus"}
STEP = {"training step, 8 clips of 15 s, 6 layers": "training step, 8 clips of 15 s, 6 layers"}
INT8 = {"Photism in int8": "int8", "Photism": "float32"}
INT8_CLIPS = {f"int8, one clip of {seconds} s": f"one clip of {seconds} s" for seconds in (10, 30)}
PIPELINE = {"Photism": "Photism", "pipeline": "pipeline of transformers"}
WORDS = {
    "all words %": "all 30 words",
    "words whose recording is drawn correctly %": "the 23 words whose own recording is drawn correctly",
}
IN_TIME = {
    "within 0.6 s %": "all 30 words",
    "within 0.6 s, drawn correctly %": "the 23 words whose own recording is drawn correctly",
}
DRAWING = ("decode", "log-mel", "encoder and adapter", "12 diffusion steps", "VAE decode", "recording to image")
SPOKEN = ("Wav2Vec2-BERT, 5 min in one pass", "Wav2Vec2-BERT, 5 min, windows of 30 s", "Wav2Vec2-BERT, 100 short files")
SPOKEN += ("wav2vec2, 5 min in one pass",)
ROWS = ("10,000", "100,000", "1,000,000")
ONNX = ("torch, float32", "torch, int8", "onnxruntime, float32", "onnxruntime, float16", "onnxruntime, int8")


def same(*names: str) -> dict[str, str]:
    """Return names that stand for themselves."""
    return {name: name for name in names}


PLOTS = {
    "encoder": Plot("encoder/epyc", "Encoder, 2 layers, float32", CLIPS | STEP, BOTH),
    "encoder-memory": Plot(
        "encoder/epyc", "Memory of the encoder, 2 layers, float32", CLIPS | STEP, BOTH, "MB", unit="MB"
    ),
    "encoder-24-layers": Plot("encoder-24-layers/epyc", "Encoder, 24 layers, float32", CLIPS, BOTH),
    "encoder-int8": Plot("encoder-24-layers/epyc", "Encoder in int8 and in float32, 24 layers", INT8_CLIPS, INT8),
    "log-mel": Plot(
        "log-mel/epyc",
        "Log-mel features and other implementations",
        {
            "log-mel, 32 clips of 10 s": "32 clips of 10 s, float64",
            "log-mel in float32, 32 clips of 10 s": "32 clips of 10 s, float32",
            "log-mel in float32, compared with Kaldi": "the same, compared with Kaldi",
        },
        BOTH | {"Photism in float32": "Photism", "kaldi-native-fbank": "kaldi-native-fbank"},
    ),
    "align": Plot(
        "align/virtual-server",
        "Alignment training, bfloat16",
        {
            "loss and gradient, B = 64": "loss and gradient, 64 recordings",
            "a step on 128 clips, 6 layers": "a step on 128 clips, 6 layers",
        },
        same("Photism", "audio2img's recipe"),
    ),
    "label": Plot(
        "label/virtual-server",
        "Classification of 500 recordings, 702 s",
        {"Wav2Vec2-BERT, 2 layers": "Wav2Vec2-BERT, 2 layers", "wav2vec2-base": "wav2vec2-base, 12 layers"},
        PIPELINE | {"pipeline, batch_size=8": "the same, batches of 8"},
    ),
    "transcribe": Plot("transcribe/virtual-server", "Speech recognition, 2 layers", same(*SPOKEN), PIPELINE),
    "sound": Plot(
        "sound/virtual-server",
        "AudioLDM 2, 10.24 s of sound",
        {
            "10 steps of 10.24 s, to a waveform": "10 steps, to a waveform",
            "the same, offload=disk": "the same, weights on disk",
        },
        same("Photism", "diffusers"),
    ),
    "draw": Plot(
        "draw/virtual-server", "From a recording to a picture", same(*DRAWING), {"": "Photism"}, is_common=True
    ),
    "film": Plot(
        "film/virtual-server",
        "Film: time with the picture of the word",
        same("segments by voice activity", "fixed windows of 3 s"),
        {},
        keys=WORDS,
        unit="%",
        is_more_better=True,
        is_common=True,
    ),
    "live": Plot(
        "live/epyc",
        "Words whose picture comes within 0.6 s",
        same("photism live", "the newest 2 s, every second"),
        {},
        keys=IN_TIME,
        unit="%",
        is_more_better=True,
        is_common=True,
    ),
    "retrieval": Plot(
        "retrieval/virtual-server",
        "Found by words in another language",
        {f"text in {language}": language for language in ("German", "Spanish", "French", "Russian")},
        {"vectors": "vectors of Photism", "text encoder": "the text encoder alone"},
        "R@10 %",
        unit="%",
        is_more_better=True,
        is_common=True,
    ),
    "vector-search": Plot(
        "vector-search/virtual-server-random-256",
        "Search among random vectors of width 256",
        {f"{rows} rows of width 256": f"{rows} rows" for rows in ROWS},
        {"IVF_RQ, nprobes 256, refine 10": "vector index", "all rows": "all rows"},
        "p50 ms",
        unit="ms",
    ),
    "server": Plot(
        "server/epyc",
        "Answers of the server to users at once",
        same("1 user", "8 users", "50 users"),
        {"all": "Photism"},
        "answers/s",
        unit="answers/s",
        is_more_better=True,
        is_common=True,
    ),
    "export": Plot(
        "export/virtual-server",
        "A CTC model of 2 layers, 20 s of noise",
        same(*ONNX),
        {"": "CPU time"},
        "CPU s for 20 s",
        is_common=True,
    ),
}
