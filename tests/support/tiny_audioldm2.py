"""Make tiny AudioLDM 2 checkpoints with random weights, in the layouts of the published ones.

    python -m tests.support.tiny_audioldm2 FOLDER

writes, with the folders, class names and keys that diffusers 0.21 to 0.24 saved:

FOLDER/sound         like cvssp/audioldm2: T5, and a GPT-2 saved as GPT2Model
FOLDER/speech        like anhnct/audioldm2_gigaspeech: VITS, learned positions, GPT2Model
FOLDER/sound-lm      sound, with its GPT-2 saved as GPT2LMHeadModel, which diffusers needs
FOLDER/speech-lm     speech, with its GPT-2 saved as GPT2LMHeadModel
FOLDER/sound-new     sound, as today's libraries save it, without `max_new_tokens`
"""

import json
import shutil
import string
import sys
from pathlib import Path

import torch
from diffusers import (
    AudioLDM2ProjectionModel,
    AudioLDM2UNet2DConditionModel,
    AutoencoderKL,
    DDIMScheduler,
)
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    ClapConfig,
    ClapFeatureExtractor,
    ClapModel,
    GPT2Config,
    GPT2LMHeadModel,
    SpeechT5HifiGan,
    SpeechT5HifiGanConfig,
    T5Config,
    T5EncoderModel,
    VitsConfig,
    VitsModel,
)

SEED = 0
CLAP_WIDTH, GPT_WIDTH, T5_WIDTH, VITS_WIDTH = 12, 16, 24, 20  # all different, so that no width can replace another
CLAP_TOKENS, T5_TOKENS, PHONEMES = 40, 24, 30  # maximum lengths of the tokenizers
END_OF_SPEECH = 182  # the token after the last phoneme in the published speech checkpoints
SAMPLE_SIZE = 32  # latent frames of 40 ms: 1.28 s, the default duration
MEL_BINS = 32
MAX_NEW_TOKENS = {"sound": 8, "speech": 12}
PROMPT_GAIN = 6.0  # applied to the random weights, so that a different prompt gives a different waveform


def save_json(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2))


def make_roberta_tokenizer(folder: Path) -> None:
    """Write a byte-level RoBERTa tokenizer without merges."""
    letters = [chr(code) for code in range(33, 127)] + ["Ġ"]
    vocabulary = {token: index for index, token in enumerate(["<s>", "<pad>", "</s>", "<unk>", *letters, "<mask>"])}
    tokenizer = Tokenizer(models.BPE(vocabulary, [], unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    folder.mkdir(parents=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    save_json(folder / "vocab.json", vocabulary)
    (folder / "merges.txt").write_text("#version: 0.2\n")
    special = {"bos_token": "<s>", "cls_token": "<s>", "eos_token": "</s>", "sep_token": "</s>"}
    special |= {"pad_token": "<pad>", "unk_token": "<unk>", "mask_token": "<mask>"}
    save_json(folder / "special_tokens_map.json", special)
    config = {"model_max_length": CLAP_TOKENS, "tokenizer_class": "RobertaTokenizer", "add_prefix_space": False}
    save_json(folder / "tokenizer_config.json", {**config, **special})


def make_t5_tokenizer(folder: Path) -> None:
    """Write a T5 tokenizer with a few whole words and all single characters."""
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    pieces += [(letter, -3.0) for letter in string.ascii_letters + string.punctuation + string.digits]
    pieces += [(f"▁{word}", -1.0) for word in ("rain", "a", "on", "tin", "roof", "dog", "barks", "low", "quality")]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=2))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=["$A", "</s>"], pair=["$A", "</s>", "$B", "</s>"], special_tokens=[("</s>", 1)]
    )
    folder.mkdir(parents=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    special = {"eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    save_json(folder / "special_tokens_map.json", special)
    config = {"model_max_length": T5_TOKENS, "tokenizer_class": "T5Tokenizer", "extra_ids": 0}
    save_json(folder / "tokenizer_config.json", {**config, **special})


def make_vits_tokenizer(folder: Path, *, phonemize: bool = False) -> None:
    """Write a VITS tokenizer whose phonemes are letters, since a phonemizer would need one more library."""
    tokens = ["<pad>", *string.ascii_lowercase, " ", "'", ",", "."]
    vocabulary = {token: index for index, token in enumerate(tokens)}
    vocabulary["<unk>"] = END_OF_SPEECH - 1
    save_json(folder / "vocab.json", vocabulary)
    special = {"pad_token": "<pad>", "unk_token": "<unk>"}
    save_json(folder / "special_tokens_map.json", special)
    config = {"add_blank": False, "normalize": True, "phonemize": phonemize, "language": None, "is_uroman": False}
    config |= {"model_max_length": PHONEMES, "tokenizer_class": "VitsTokenizer"}
    save_json(folder / "tokenizer_config.json", {**config, **special})


def make_clap() -> ClapModel:
    text = {
        "vocab_size": 100,
        "hidden_size": 8,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "max_position_embeddings": CLAP_TOKENS + 2,
    }
    audio = {
        "spec_size": 32,
        "window_size": 4,
        "num_mel_bins": 8,
        "hidden_size": 32,
        "depths": [1, 1],
        "num_attention_heads": [2, 2],
        "num_hidden_layers": 2,
        "patch_embeds_hidden_size": 16,
        "patch_size": 2,
        "patch_stride": [2, 2],
        "enable_fusion": False,
    }
    return ClapModel(ClapConfig(text_config=text, audio_config=audio, projection_dim=CLAP_WIDTH))


def make_unet(text_width: int) -> AudioLDM2UNet2DConditionModel:
    unet = AudioLDM2UNet2DConditionModel(
        sample_size=SAMPLE_SIZE,
        in_channels=8,
        out_channels=8,
        block_out_channels=(8, 8, 16, 16),
        layers_per_block=1,
        norm_num_groups=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=[[None, GPT_WIDTH, text_width]] * 4,
        attention_head_dim=[2, 2, 4, 4],
    )
    with torch.no_grad():
        for name, module in unet.named_modules():
            if name.endswith(("attn2.to_v", "attn2.to_out.0", "proj_out")):
                module.weight *= PROMPT_GAIN
    return unet


def make_vae() -> AutoencoderKL:
    return AutoencoderKL(
        in_channels=1,
        out_channels=1,
        latent_channels=8,
        block_out_channels=(8, 8, 8),
        norm_num_groups=4,
        layers_per_block=1,
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        scaling_factor=0.4,
    )


def make_gpt2() -> GPT2LMHeadModel:
    config = GPT2Config(
        vocab_size=50, n_embd=GPT_WIDTH, n_positions=96, n_layer=2, n_head=2, bos_token_id=0, eos_token_id=0
    )
    model = GPT2LMHeadModel(config)
    with torch.no_grad():
        model.transformer.wpe.weight *= 20  # so that positions have an effect
        for block in model.transformer.h:
            block.attn.c_attn.weight *= PROMPT_GAIN
    return model


def make_vocoder() -> SpeechT5HifiGan:
    config = SpeechT5HifiGanConfig(
        model_in_dim=MEL_BINS,
        sampling_rate=16000,
        upsample_initial_channel=32,
        upsample_rates=[5, 4, 2, 2, 2],
        upsample_kernel_sizes=[16, 16, 8, 4, 4],
        resblock_kernel_sizes=[3, 7],
        resblock_dilation_sizes=[[1, 3], [1, 3]],
        normalize_before=False,
    )
    vocoder = SpeechT5HifiGan(config)
    with torch.no_grad():
        for parameter in vocoder.parameters():
            if parameter.ndim > 1:
                parameter.normal_(std=(parameter.shape[1] * parameter.shape[2]) ** -0.5)  # audible without clipping
    return vocoder


def make_vits() -> VitsModel:
    return VitsModel(
        VitsConfig(
            vocab_size=END_OF_SPEECH + 4,
            hidden_size=VITS_WIDTH,
            num_hidden_layers=1,
            num_attention_heads=2,
            ffn_dim=16,
            flow_size=8,
            spectrogram_bins=9,
            upsample_initial_channel=8,
            upsample_rates=[2],
            upsample_kernel_sizes=[4],
            resblock_kernel_sizes=[3],
            resblock_dilation_sizes=[[1]],
            prior_encoder_num_flows=1,
            posterior_encoder_num_wavenet_layers=1,
            depth_separable_num_layers=1,
            duration_predictor_num_flows=1,
            duration_predictor_filter_channels=8,
            wavenet_dilation_rate=1,
        )
    )


def make_t5() -> T5EncoderModel:
    config = T5Config(
        vocab_size=120, d_model=T5_WIDTH, d_kv=8, d_ff=16, num_layers=2, num_heads=2, feed_forward_proj="gated-gelu"
    )
    return T5EncoderModel(config)


def make_checkpoint(folder: Path, kind: str) -> None:
    """Write a "sound" or "speech" checkpoint with a GPT2LMHeadModel, as today's libraries save it."""
    speech = kind == "speech"
    text_width = VITS_WIDTH if speech else T5_WIDTH
    learned = {"use_learned_position_embedding": True, "max_seq_length": PHONEMES} if speech else {}
    projection = AudioLDM2ProjectionModel(CLAP_WIDTH, text_width, GPT_WIDTH, **learned)
    with torch.no_grad():
        for parameter in projection.parameters():  # special tokens are initialised to one, learned positions to zero
            parameter += 0.5 * torch.randn_like(parameter)
    language_model = make_gpt2()
    language_model.config.max_new_tokens = MAX_NEW_TOKENS[kind]
    parts = {
        "vae": make_vae(),
        "text_encoder": make_clap(),
        "text_encoder_2": make_vits() if speech else make_t5(),
        "projection_model": projection,
        "language_model": language_model,
        "unet": make_unet(text_width),
        "scheduler": DDIMScheduler(
            beta_start=0.0015,
            beta_end=0.0195,
            beta_schedule="scaled_linear",
            clip_sample=False,
            set_alpha_to_one=False,
            steps_offset=1,
        ),
        "vocoder": make_vocoder(),
        "feature_extractor": ClapFeatureExtractor(
            feature_size=8, hop_length=480, max_length_s=1, truncation="rand_trunc", padding="repeatpad"
        ),
    }
    save_parts(folder, parts, speech=speech)


def save_parts(folder: Path, parts: dict[str, object], *, speech: bool) -> None:
    """Save models with the tokenizers and the index of a checkpoint."""
    for name, part in parts.items():
        part.save_pretrained(folder / name)
    make_roberta_tokenizer(folder / "tokenizer")
    (make_vits_tokenizer if speech else make_t5_tokenizer)(folder / "tokenizer_2")
    save_json(
        folder / "model_index.json",
        {
            "_class_name": "AudioLDM2Pipeline",
            "_diffusers_version": "0.21.0.dev0",
            "feature_extractor": ["transformers", "ClapFeatureExtractor"],
            "language_model": ["transformers", "GPT2LMHeadModel"],
            "projection_model": ["audioldm2", "AudioLDM2ProjectionModel"],
            "scheduler": ["diffusers", "DDIMScheduler"],
            "text_encoder": ["transformers", "ClapModel"],
            "text_encoder_2": ["transformers", "VitsModel" if speech else "T5EncoderModel"],
            "tokenizer": ["transformers", "RobertaTokenizerFast"],
            "tokenizer_2": ["transformers", "VitsTokenizer" if speech else "T5TokenizerFast"],
            "unet": ["audioldm2", "AudioLDM2UNet2DConditionModel"],
            "vae": ["diffusers", "AutoencoderKL"],
            "vocoder": ["transformers", "SpeechT5HifiGan"],
        },
    )


def as_published(source: Path, folder: Path) -> None:
    """Copy a checkpoint into the layout of the published ones: a bare GPT-2, and the keys of older libraries."""
    shutil.copytree(source, folder)
    edit_json(folder / "model_index.json", language_model=["transformers", "GPT2Model"])
    model = folder / "language_model"
    weights = load_file(model / "model.safetensors")
    bare = {name.removeprefix("transformer."): tensor for name, tensor in weights.items() if name != "lm_head.weight"}
    for layer in range(2):  # the causal mask of each layer was saved too
        bare[f"h.{layer}.attn.bias"] = torch.ones(96, 96, dtype=torch.bool).tril()[None, None]
    save_file(bare, model / "model.safetensors", metadata={"format": "pt"})
    edit_json(model / "config.json", architectures=["GPT2Model"], transformers_version="4.31.0", dtype=None)
    clap = folder / "text_encoder/model.safetensors"
    weights = load_file(clap)
    positions = torch.arange(CLAP_TOKENS + 2)[None]
    save_file({**weights, "text_model.embeddings.position_ids": positions}, clap, metadata={"format": "pt"})
    vae = folder / "vae/diffusion_pytorch_model.safetensors"
    old_names = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    weights = load_file(vae)
    for new, old in old_names.items():
        weights = {name.replace(f"attentions.0.{new}.", f"attentions.0.{old}."): each for name, each in weights.items()}
    save_file(weights, vae, metadata={"format": "pt"})


def edit_json(path: Path, **changes: object) -> None:
    """Set keys of a JSON file; None removes a key."""
    content = {**json.loads(path.read_text()), **changes}
    save_json(path, {name: value for name, value in content.items() if value is not None})


def make_models(folder: Path) -> None:
    """Write all checkpoints, with weights that depend on `SEED` only."""
    for kind in ("sound", "speech"):
        with torch.random.fork_rng():
            torch.manual_seed(SEED)
            make_checkpoint(folder / f"{kind}-lm", kind)
        as_published(folder / f"{kind}-lm", folder / kind)
    shutil.copytree(folder / "sound-lm", folder / "sound-new")
    edit_json(folder / "sound-new/language_model/config.json", max_new_tokens=None)
    edit_json(
        folder / "sound-new/model_index.json",
        tokenizer=["transformers", "RobertaTokenizer"],
        tokenizer_2=["transformers", "T5Tokenizer"],
    )


if __name__ == "__main__":
    make_models(Path(sys.argv[1]))
