#!/usr/bin/env bash
# For a machine with a GPU: the audio side again, with three times the voices and eighty times the speech.
# Stages 0 to 3 must be done; it goes on where it was stopped.
set -euo pipefail
cd "$(dirname "$0")/../.."

python recipes/tiny/speech.py --voices 12
python recipes/tiny/train_phonemes.py --voices 12 --steps 100000 --batch-tokens 16000
python recipes/tiny/fit_captions.py --voices 12
python recipes/tiny/export.py
python recipes/tiny/examples.py
python recipes/tiny/evaluate.py --write
