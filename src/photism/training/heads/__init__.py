"""Fine-tuning of task heads on Wav2Vec2-BERT."""
