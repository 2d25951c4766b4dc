"""What ``Model.build`` gives for models that a library fits: adapters with one small protocol."""
