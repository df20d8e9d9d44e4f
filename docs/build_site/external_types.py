"""mkdocs hook: addresses of the types of other libraries, for links from the reference, without asking a network."""

from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import Files

ADDRESSES = {
    "torch.Tensor": "https://docs.pytorch.org/docs/stable/tensors.html#torch.Tensor",
    "torch.device": "https://docs.pytorch.org/docs/stable/tensor_attributes.html#torch.device",
    "torch.dtype": "https://docs.pytorch.org/docs/stable/tensor_attributes.html#torch.dtype",
    "torch.nn.Module": "https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html",
    "numpy.ndarray": "https://numpy.org/doc/stable/reference/generated/numpy.ndarray.html",
    "numpy.typing.NDArray": "https://numpy.org/doc/stable/reference/typing.html#numpy.typing.NDArray",
    "PIL.Image.Image": "https://pillow.readthedocs.io/en/stable/reference/Image.html#PIL.Image.Image",
    "pathlib.Path": "https://docs.python.org/3/library/pathlib.html#pathlib.Path",
    "fractions.Fraction": "https://docs.python.org/3/library/fractions.html#fractions.Fraction",
    "collections.abc.Callable": "https://docs.python.org/3/library/collections.abc.html#collections.abc.Callable",
    "collections.abc.Iterable": "https://docs.python.org/3/library/collections.abc.html#collections.abc.Iterable",
    "collections.abc.Iterator": "https://docs.python.org/3/library/collections.abc.html#collections.abc.Iterator",
    "collections.abc.Mapping": "https://docs.python.org/3/library/collections.abc.html#collections.abc.Mapping",
    "collections.abc.Sequence": "https://docs.python.org/3/library/collections.abc.html#collections.abc.Sequence",
    "transformers.Wav2Vec2BertConfig": "https://huggingface.co/docs/transformers/model_doc/wav2vec2-bert",
}


def on_env(env: Any, config: MkDocsConfig, files: Files) -> None:
    """Register the addresses, before references between pages are resolved."""
    autorefs: Any = config.plugins["autorefs"]
    for name, address in ADDRESSES.items():
        autorefs.register_url(name, address)
