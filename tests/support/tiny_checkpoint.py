"""Make tiny Photism models with random weights, in the layout of published ones.

    python -m tests.support.tiny_checkpoint FOLDER

writes FOLDER/sd and FOLDER/xl: an AudioPromptEncoder, its `diffusion/` and `captions.json`. `make_parts` writes other
diffusion models of the same widths, ControlNets and LoRA weights for them.
"""

import json
import string
import sys
from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    ControlNetModel,
    DDIMScheduler,
    StableDiffusionInpaintPipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from diffusers.utils import convert_state_dict_to_diffusers
from peft import LoraConfig, get_peft_model_state_dict
from transformers import (
    CLIPConfig,
    CLIPImageProcessor,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    CLIPVisionConfig,
    Wav2Vec2BertConfig,
)

from photism.prompts.audio_prompt_encoder import AudioPromptEncoder
from photism.prompts.prompt_space import PromptSpace

SEED = 0
WIDTH = 16  # of each text encoder's hidden states
PROMPT_TOKENS = 20
ADAPTER_TOKENS = 12  # fewer than the 19 of a whole prompt, as in the published adapter
PROMPT_GAIN = 8.0  # applied to the cross-attention, so that a different prompt gives a different image
IMAGE_SIZE = 16  # pixels; latents are half as wide
CAPTIONS = ("A koala.", "An elephant.", "A red bicycle.", "Rain.", "A very long snake.", "The moon, smiling.")


def make_tokenizer(folder: Path, length: int = PROMPT_TOKENS) -> CLIPTokenizer:
    """Make a CLIP tokenizer whose tokens are single characters, without merges."""
    letters = [*string.ascii_lowercase, *string.punctuation]
    tokens = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{letter}</w>" for letter in letters)]
    folder.mkdir(parents=True)
    (folder / "vocab.json").write_text(json.dumps({token: index for index, token in enumerate(tokens)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    return CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=length)


def make_text_config(tokenizer: CLIPTokenizer, **other: object) -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=32,
        num_attention_heads=2,
        max_position_embeddings=tokenizer.model_max_length,
        projection_dim=WIDTH,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        **{"num_hidden_layers": 2, **other},
    )


def make_unet(width: int, *, in_channels: int = 4, **other: object) -> UNet2DConditionModel:
    unet = UNet2DConditionModel(
        sample_size=IMAGE_SIZE // 2,
        in_channels=in_channels,
        out_channels=4,
        block_out_channels=(8, 8),
        layers_per_block=1,
        norm_num_groups=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=width,
        **{"attention_head_dim": 4, **other},
    )
    with torch.no_grad():
        for name, module in unet.named_modules():
            if name.endswith(("attn2.to_v", "attn2.to_out.0", "proj_out")):
                module.weight *= PROMPT_GAIN
    return unet


def make_vae() -> AutoencoderKL:
    return AutoencoderKL(
        latent_channels=4,
        block_out_channels=(8, 8),
        norm_num_groups=4,
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        sample_size=IMAGE_SIZE,
    )


def make_scheduler(prediction_type: str = "epsilon") -> DDIMScheduler:
    return DDIMScheduler(clip_sample=False, set_alpha_to_one=False, steps_offset=1, prediction_type=prediction_type)


def make_sd(folder: Path, length: int = PROMPT_TOKENS) -> StableDiffusionPipeline:
    tokenizer = make_tokenizer(folder / "tokenizer", length)
    return StableDiffusionPipeline(
        vae=make_vae(),
        text_encoder=CLIPTextModel(make_text_config(tokenizer)),
        tokenizer=tokenizer,
        unet=make_unet(WIDTH),
        scheduler=make_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def make_xl(folder: Path) -> StableDiffusionXLPipeline:
    tokenizer = make_tokenizer(folder / "tokenizer")
    return StableDiffusionXLPipeline(
        vae=make_vae(),
        text_encoder=CLIPTextModel(make_text_config(tokenizer)),
        text_encoder_2=CLIPTextModelWithProjection(make_text_config(tokenizer)),
        tokenizer=tokenizer,
        tokenizer_2=tokenizer,
        unet=make_unet(
            2 * WIDTH,
            addition_embed_type="text_time",
            addition_time_embed_dim=4,
            projection_class_embeddings_input_dim=6 * 4 + WIDTH,
        ),
        scheduler=make_scheduler(),
        add_watermarker=False,
    )


def make_sd2(folder: Path, length: int = PROMPT_TOKENS) -> StableDiffusionPipeline:
    """Make a pipeline in the layout of SD 2.x: OpenCLIP without its last layer, padding "!", velocity prediction."""
    tokenizer = make_tokenizer(folder / "tokenizer", length)
    tokenizer.pad_token = "!"
    return StableDiffusionPipeline(
        vae=make_vae(),
        text_encoder=CLIPTextModel(make_text_config(tokenizer, hidden_act="gelu", num_hidden_layers=1)),
        tokenizer=tokenizer,
        unet=make_unet(WIDTH, attention_head_dim=[2, 4], use_linear_projection=True),
        scheduler=make_scheduler("v_prediction"),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def make_controlnet(unet: UNet2DConditionModel) -> ControlNetModel:
    # One stride of 2, like the VAE.
    controlnet = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=(4, 8))
    with torch.no_grad():
        for parameter in controlnet.parameters():  # many are initialised to zero and would have no effect
            parameter += 0.2 * torch.randn_like(parameter)
    return controlnet


def make_lora(pipeline: StableDiffusionPipeline | StableDiffusionXLPipeline, folder: Path) -> None:
    unet = UNet2DConditionModel.from_config(pipeline.unet.config)
    unet.add_adapter(LoraConfig(r=2, target_modules=["to_q", "to_v"], init_lora_weights=False))
    layers = convert_state_dict_to_diffusers(get_peft_model_state_dict(unet))
    type(pipeline).save_lora_weights(folder, unet_lora_layers=layers)


def make_safety_checker(*, flags: bool) -> StableDiffusionSafetyChecker:
    """Make a safety checker that flags every image or none: cosines are above -2 and below 2."""
    vision = CLIPVisionConfig(
        hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2, image_size=16, patch_size=8
    )
    checker = StableDiffusionSafetyChecker(CLIPConfig(vision_config=vision.to_dict(), projection_dim=8))
    with torch.no_grad():
        checker.concept_embeds_weights.fill_(-2 if flags else 2)
    return checker


def make_encoder(space: PromptSpace) -> AudioPromptEncoder:
    config = Wav2Vec2BertConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, output_hidden_size=16
    )
    arguments = {"width": 16, "num_layers": 1, "num_heads": 2}
    return AudioPromptEncoder.for_space(space, encoder=config, tokens=ADAPTER_TOKENS, adapter_arguments=arguments)


def make_models(folder: Path) -> None:
    """Write folder/sd and folder/xl with weights that depend on `SEED` only."""
    for name, make_diffusion in (("sd", make_sd), ("xl", make_xl)):
        with torch.random.fork_rng():
            torch.manual_seed(SEED)
            model = folder / name
            diffusion = make_diffusion(folder / f"{name}-text")
            diffusion.save_pretrained(model / "diffusion")
            make_encoder(PromptSpace.of(diffusion, name=name, captions=CAPTIONS)).save_pretrained(model)
        (model / "captions.json").write_text(json.dumps(CAPTIONS))


def make_parts(models: Path, folder: Path) -> None:
    """Write diffusion models, ControlNets and LoRA weights for the models of `make_models`.

    sd2: a diffusion model in the layout of SD 2.x.
    sd-inpaint: one whose UNet takes an inpainting mask.
    flagging, passing: the diffusion model of sd with a safety checker.
    controlnet-sd, controlnet-xl, lora-sd, lora-xl: for the diffusion models sd and xl.
    """
    with torch.random.fork_rng():
        torch.manual_seed(SEED)
        make_sd2(folder / "sd2-text").save_pretrained(folder / "sd2")
        sd = StableDiffusionPipeline.from_pretrained(models / "sd/diffusion")
        xl = StableDiffusionXLPipeline.from_pretrained(models / "xl/diffusion")
        for name, pipeline in (("sd", sd), ("xl", xl)):
            make_controlnet(pipeline.unet).save_pretrained(folder / f"controlnet-{name}")
            make_lora(pipeline, folder / f"lora-{name}")
        inpainting = {**sd.components, "unet": make_unet(WIDTH, in_channels=9)}
        StableDiffusionInpaintPipeline(**inpainting, requires_safety_checker=False).save_pretrained(
            folder / "sd-inpaint"
        )
        extractor = CLIPImageProcessor(size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16})
        for name in ("flagging", "passing"):
            checker = make_safety_checker(flags=name == "flagging")
            safe = {**sd.components, "safety_checker": checker, "feature_extractor": extractor}
            StableDiffusionPipeline(**safe).save_pretrained(folder / name)


if __name__ == "__main__":
    make_models(Path(sys.argv[1]))
