"""Write the byte-pair merges of CLIP's tokenizer, which the package carries, from the file that OpenAI published.

    pip download --no-deps clip-anytorch
    unzip -p clip_anytorch-*.whl clip/bpe_simple_vocab_16e6.txt.gz > bpe_simple_vocab_16e6.txt.gz
    python -m recipes.clip_vocabulary.make bpe_simple_vocab_16e6.txt.gz

`open_clip_torch` carries the same file, under the same licence (MIT, Copyright (c) 2021 OpenAI).
"""

import gzip
import sys
from pathlib import Path

from photism.prompts.diffusion.clip_tokenizer import MERGES, VOCABULARY_SIZE

BYTE_TOKENS = 2 * 256  # each byte within a word and at its end
SPECIAL_TOKENS = 2  # beginning and end of a text


def main() -> None:
    count = VOCABULARY_SIZE - BYTE_TOKENS - SPECIAL_TOKENS
    published = gzip.decompress(Path(sys.argv[1]).read_bytes()).decode("utf-8").split("\n")
    merges = published[1 : 1 + count]  # the first line is a version; CLIP does not use the later merges
    MERGES.write_bytes(gzip.compress("\n".join(merges).encode("utf-8"), mtime=0))


if __name__ == "__main__":
    main()
