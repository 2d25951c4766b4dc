"""Shelf ``models``."""

from pipeline.core.registry import Registry

models = Registry("model")

from pipeline.models import (  # noqa: E402
    alexnet,  # noqa: F401
    bag_of_embeddings,  # noqa: F401
    catboost,  # noqa: F401
    elastic_net,  # noqa: F401
    forests,  # noqa: F401
    googlenet,  # noqa: F401
    k_nearest_neighbors,  # noqa: F401
    lasso,  # noqa: F401
    lenet,  # noqa: F401
    lightgbm,  # noqa: F401
    linear,  # noqa: F401
    logistic_regression,  # noqa: F401
    mlp,  # noqa: F401
    n_gram,  # noqa: F401
    naive_bayes_linear,  # noqa: F401
    nin,  # noqa: F401
    pretrained_encoder,  # noqa: F401
    pretrained_image,  # noqa: F401
    pretrained_translator,  # noqa: F401
    realmlp,  # noqa: F401
    recurrent_classifier,  # noqa: F401
    recurrent_language_model,  # noqa: F401
    resnet,  # noqa: F401
    ridge,  # noqa: F401
    seq2seq,  # noqa: F401
    softmax,  # noqa: F401
    support_vectors,  # noqa: F401
    tabm,  # noqa: F401
    text_cnn,  # noqa: F401
    transformer,  # noqa: F401
    transformer_encoder,  # noqa: F401
    transformer_language_model,  # noqa: F401
    vgg,  # noqa: F401
    xgboost,  # noqa: F401
)
