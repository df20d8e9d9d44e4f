"""Export of models to other formats: ONNX, for onnxruntime and onnx-asr."""
