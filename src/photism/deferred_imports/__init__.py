"""Import transformers and diffusers without the parts of other libraries that few of their users need."""
