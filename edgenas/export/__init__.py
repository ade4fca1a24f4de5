"""TFLite and ONNX files, each compared with the Keras model it came from."""
