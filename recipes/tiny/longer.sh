#!/usr/bin/env bash
# For a machine with a GPU: the audio side again, with three times the voices and eighty times the speech.
# Stages 0 to 3 must be done; it goes on where it was stopped.
set -euo pipefail
cd "$(dirname "$0")/../.."

python -m recipes.tiny.speech --voices 12
python -m recipes.tiny.train_phonemes --voices 12 --steps 100000 --batch-tokens 16000
python -m recipes.tiny.fit_captions --voices 12
python -m recipes.tiny.export
python -m recipes.tiny.examples
python -m recipes.tiny.thumbnails
python -m recipes.tiny.evaluate --write
