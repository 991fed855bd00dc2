"""A model leaves: as an ONNX file for other programs, or as a page that classifies by itself."""
