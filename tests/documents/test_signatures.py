"""The arguments that the documents list, in their order, are accepted."""

import inspect

import diffusers
import pytest
import transformers

import photism

CONFIG = {
    "vocab_size": None,
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
    "feature_projection_input_dim": 160,
    "hidden_act": "swish",
    "hidden_dropout": 0.0,
    "activation_dropout": 0.0,
    "attention_dropout": 0.0,
    "feat_proj_dropout": 0.0,
    "final_dropout": 0.1,
    "layerdrop": 0.1,
    "initializer_range": 0.02,
    "layer_norm_eps": 1e-05,
    "apply_spec_augment": True,
    "mask_time_prob": 0.05,
    "mask_time_length": 10,
    "mask_time_min_masks": 2,
    "mask_feature_prob": 0.0,
    "mask_feature_length": 10,
    "mask_feature_min_masks": 0,
    "ctc_loss_reduction": "sum",
    "ctc_zero_infinity": False,
    "use_weighted_layer_sum": False,
    "classifier_proj_size": 768,
    "tdnn_dim": (512, 512, 512, 512, 1500),
    "tdnn_kernel": (5, 3, 3, 1, 1),
    "tdnn_dilation": (1, 2, 3, 1, 1),
    "xvector_output_dim": 512,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "add_adapter": False,
    "adapter_kernel_size": 3,
    "adapter_stride": 2,
    "num_adapter_layers": 1,
    "adapter_act": "relu",
    "use_intermediate_ffn_before_adapter": False,
    "output_hidden_size": None,
    "position_embeddings_type": "relative_key",
    "rotary_embedding_base": 10000,
    "max_source_positions": 5000,
    "left_max_position_embeddings": 64,
    "right_max_position_embeddings": 8,
    "conv_depthwise_kernel_size": 31,
    "conformer_conv_dropout": 0.1,
}
HEADS = ("Model", "ForCTC", "ForSequenceClassification", "ForAudioFrameClassification", "ForXVector")
FORWARD = ("input_features", "attention_mask", "output_attentions", "output_hidden_states", "return_dict")
SOUND_CALL = (
    "prompt",
    "transcription",
    "audio_length_in_s",
    "num_inference_steps",
    "guidance_scale",
    "negative_prompt",
    "num_waveforms_per_prompt",
    "eta",
    "generator",
    "latents",
    "prompt_embeds",
    "negative_prompt_embeds",
    "generated_prompt_embeds",
    "negative_generated_prompt_embeds",
    "attention_mask",
    "negative_attention_mask",
    "max_new_tokens",
    "return_dict",
    "callback",
    "callback_steps",
    "cross_attention_kwargs",
    "output_type",
)
SOUND_COMPONENTS = (
    "vae",
    "text_encoder",
    "text_encoder_2",
    "projection_model",
    "language_model",
    "tokenizer",
    "tokenizer_2",
    "feature_extractor",
    "unet",
    "scheduler",
    "vocoder",
)
ENCODE_PROMPT = (
    "prompt",
    "device",
    "num_waveforms_per_prompt",
    "do_classifier_free_guidance",
    "transcription",
    "negative_prompt",
    "prompt_embeds",
    "negative_prompt_embeds",
    "generated_prompt_embeds",
    "negative_generated_prompt_embeds",
    "attention_mask",
    "negative_attention_mask",
    "max_new_tokens",
)
# Of the tutorial on audio classification. The others that it lists are keyword arguments of the class or of a call;
# test_audio_classification.py passes each of them.
PIPELINE = (
    "model",
    "feature_extractor",
    "framework",
    "task",
    "device",
    "torch_dtype",
)
EXTRACTOR_CALL = (
    "raw_speech",
    "padding",
    "pad_to_multiple_of",
    "max_length",
    "truncation",
    "return_tensors",
    "sampling_rate",
    "return_attention_mask",
    "do_normalize_per_mel_bins",
)
EXTRACTOR = ("feature_size", "sampling_rate", "num_mel_bins", "padding_value", "stride")


def test_the_configuration_has_the_documented_arguments_and_defaults():
    config = photism.Wav2Vec2BertConfig()
    defaults = CONFIG | {"output_hidden_size": config.hidden_size}  # as its description says
    assert {name: getattr(config, name) for name in CONFIG} == {
        name: list(value) if isinstance(value, tuple) and isinstance(getattr(config, name), list) else value
        for name, value in defaults.items()
    }
    changed = photism.Wav2Vec2BertConfig(**CONFIG, another=1)
    assert changed.another == 1
    assert len(CONFIG) == 47


@pytest.mark.parametrize("name", HEADS)
def test_forward_takes_the_documented_arguments(name):
    documented = FORWARD + (("mask_time_indices",) if name == "Model" else ("labels",))
    parameters = inspect.signature(getattr(photism, f"Wav2Vec2Bert{name}").forward).parameters
    assert set(documented) <= set(parameters)
    assert list(parameters)[1:3] == list(FORWARD[:2])


@pytest.mark.parametrize(
    ("name", "documented"),
    [
        ("AudioLDM2Pipeline", SOUND_COMPONENTS),
        ("AudioLDM2Pipeline.__call__", ("self", *SOUND_CALL)),
        ("AudioLDM2Pipeline.encode_prompt", ("self", *ENCODE_PROMPT)),
        ("Wav2Vec2BertFeatureExtractor", EXTRACTOR),
        ("Wav2Vec2BertFeatureExtractor.__call__", ("self", *EXTRACTOR_CALL)),
        ("Wav2Vec2BertProcessor", ("feature_extractor", "tokenizer")),
        ("Wav2Vec2BertProcessor.__call__", ("self", "audio", "text")),
        ("Wav2Vec2BertProcessor.pad", ("self", "input_features", "labels")),
        ("Wav2Vec2BertForCTC", ("config", "target_lang")),
        ("pipeline", PIPELINE),
    ],
)
def test_the_documented_arguments_are_parameters(name, documented):
    called = photism
    for part in name.split("."):
        called = getattr(called, part)
    assert set(documented) <= set(inspect.signature(called).parameters)


@pytest.mark.parametrize(
    ("name", "documented"),
    [
        ("AudioLDM2Pipeline", SOUND_COMPONENTS),
        ("AudioLDM2Pipeline.__call__", ("self", *SOUND_CALL)),
        ("AudioLDM2Pipeline.encode_prompt", ("self", *ENCODE_PROMPT)),
        ("Wav2Vec2BertFeatureExtractor", EXTRACTOR),
        ("Wav2Vec2BertFeatureExtractor.__call__", ("self", *EXTRACTOR_CALL[:5])),
        ("Wav2Vec2BertProcessor", ("feature_extractor", "tokenizer")),
        ("Wav2Vec2BertProcessor.__call__", ("self", "audio", "text")),
        ("Wav2Vec2BertProcessor.pad", ("self", "input_features", "labels")),
        ("Wav2Vec2BertForCTC", ("config", "target_lang")),
        ("pipeline", ("task", "model", "config", "tokenizer", "feature_extractor")),
    ],
)
def test_the_documented_order_of_arguments_is_kept(name, documented):
    called = photism
    for part in name.split("."):
        called = getattr(called, part)
    parameters = inspect.signature(called).parameters
    order = [name for name, each in parameters.items() if each.kind is each.POSITIONAL_OR_KEYWORD]
    assert order[: len(documented)] == list(documented)


@pytest.mark.parametrize(
    ("library", "name", "missing"),
    [
        *((transformers, f"Wav2Vec2Bert{head}", set()) for head in HEADS),
        (transformers, "Wav2Vec2BertProcessor", set()),
        (transformers, "SeamlessM4TFeatureExtractor", {"zero_mean_unit_var_norm"}),  # an earlier normalisation
        (diffusers, "AudioLDM2Pipeline", {"check_inputs", "prepare_extra_step_kwargs"}),  # steps of its __call__
    ],
)
def test_a_class_has_the_public_attributes_of_the_documented_one(library, name, missing):
    theirs, ours = (
        {attribute for attribute in dir(getattr(each, name)) if not attribute.startswith("_")}
        for each in (library, photism)
    )
    assert theirs - ours == missing
