"""Files are recognised by the names of their tensors, which are those of published files."""

import pytest
import torch
from safetensors.torch import save_file

from photism import AudioToImagePipeline, InputError
from photism.prompts.diffusion.file_kinds import recognise

NAMES = {
    "a checkpoint of Stable Diffusion 1.x": [
        "cond_stage_model.transformer.text_model.embeddings.position_ids",
        "first_stage_model.decoder.conv_in.bias",
        "model.diffusion_model.input_blocks.0.0.weight",
    ],
    "a checkpoint of Stable Diffusion 2.x": [
        "cond_stage_model.model.ln_final.bias",
        "model.diffusion_model.input_blocks.0.0.weight",
    ],
    "a checkpoint of Stable Diffusion XL": [
        "conditioner.embedders.0.transformer.text_model.embeddings.position_ids",
        "conditioner.embedders.1.model.ln_final.bias",
        "model.diffusion_model.input_blocks.0.0.weight",
    ],
    "the refiner of Stable Diffusion XL": [
        "conditioner.embedders.0.model.ln_final.bias",
        "model.diffusion_model.input_blocks.0.0.weight",
    ],
    "a UNet without its text encoder": ["down_blocks.0.resnets.0.conv1.bias", "conv_in.weight"],
    "LoRA weights": ["lora_unet_down_blocks_0_attentions_0_proj_in.alpha"],
    "a ControlNet-LLLite": ["lllite_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_k.conditioning1.0.weight"],
    "a Control-LoRA": ["lora_controlnet", "input_blocks.1.0.emb_layers.1.up"],
    "a ControlNet": ["control_model.zero_convs.0.0.bias", "control_model.input_hint_block.0.bias"],
    "a ControlNet-Union": ["controlnet_cond_embedding.conv_in.bias", "task_embedding"],
    "a T2I-Adapter": ["body.0.block1.bias", "conv_in.bias"],
    "an IP-Adapter": ["image_proj.norm.bias", "ip_adapter.1.to_k_ip.weight"],
    "a textual inversion": ["emb_params"],
    "a VAE": ["encoder.down.0.block.0.conv1.bias", "decoder.conv_in.bias"],
    "a motion module of AnimateDiff": ["down_blocks.0.motion_modules.0.temporal_transformer.norm.bias"],
    "a checkpoint of Stable Diffusion 3": ["model.diffusion_model.joint_blocks.0.x_block.mlp.fc1.bias"],
    "a checkpoint of Flux": ["double_blocks.0.img_attn.norm.key_norm.scale"],
    "a checkpoint of PixArt": [
        "adaln_single.emb.timestep_embedder.linear_1.bias",
        "transformer_blocks.0.attn1.to_k.bias",
    ],
    "a text encoder": ["text_model.encoder.layers.0.layer_norm1.bias"],
    "a transformer for another kind of diffusion": ["model.diffusion_model.layers.0.adaLN_modulation.1.weight"],
    "a model that Photism does not know": ["layer.0.weight", "layer.1.weight"],
}
FURTHER = [
    ("LoRA weights", "unet.down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q.lora_A.weight"),
    ("LoRA weights", "unet.down_blocks.1.attentions.0.transformer_blocks.0.attn1.processor.to_q_lora.down.weight"),
    ("LoRA weights", "lora_te1_text_model_encoder_layers_0_mlp_fc1.hada_w1_a"),
    ("a ControlNet", "input_hint_block.0.bias"),
    ("a ControlNet", "controlnet_cond_embedding.conv_in.bias"),
    ("an IP-Adapter", "ip_adapter.0.to_q_lora.down.weight"),
    ("a VAE", "first_stage_model.decoder.mid.attn_1.k.bias"),
    ("a VAE", "decoder.up_blocks.0.resnets.0.conv1.bias"),
    ("a textual inversion", "<cat-toy>"),
    ("a textual inversion", "clip_g"),
]


@pytest.mark.parametrize(
    ("description", "names"), [*NAMES.items(), *((description, [name]) for description, name in FURTHER)]
)
def test_a_file_is_recognised(description, names):
    assert recognise(names).description == description


@pytest.mark.parametrize(
    ("description", "remedy"),
    [
        ("LoRA weights", "; give it as lora"),
        ("a ControlNet", "; give it as controlnet"),
        ("a VAE", "; give it as vae"),
        ("a textual inversion", "; give it as embedding"),
        ("an IP-Adapter", "; give it as ip_adapter"),
        ("a checkpoint of Flux", ""),
        ("the refiner of Stable Diffusion XL", ""),
    ],
)
def test_a_file_of_another_kind_is_refused_in_one_line(description, remedy, models, tmp_path):
    path = tmp_path / "model {}.safetensors"
    save_file({name: torch.zeros(2) for name in NAMES[description]}, path)
    with pytest.raises(InputError) as error:
        AudioToImagePipeline.from_pretrained(models / "sd", diffusion=path, device="cpu")
    assert str(error.value) == f"diffusion cannot use {path}: it is {description}{remedy}"
