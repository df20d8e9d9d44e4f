"""The studio: a web page to record or upload a sound, see its images and its nearest captions.

Gradio serves the page; its handlers run in the lanes of the models, and its HTTP routes lie behind `gate`.
"""
