"""The store of pretrained models: networks with weights that trainings begin from."""
