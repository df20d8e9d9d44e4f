"""The bundled model of Photism: weights, configurations, captions and example recordings, without code.

The folder of this package is a Photism model with `diffusion/`, `captions.json`, thumbnails of the captions and
`examples/`. In it, `lcm/` is an LCM-LoRA with which `diffusion/` draws in two steps, `sound/` is an AudioLDM 2
checkpoint, and `language/` a classification head on the model's encoder. `photism.hub.bundled_model` finds it through
the entry point `tiny` of the group `photism.models`.
"""
