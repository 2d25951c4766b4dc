"""Shelf ``findings``: what may be the matter, by code (POD1..: fit, 2..: shift, 3..: leaks, 4..: comparison, 5..:
gradients and activations)."""

from pipeline.core.registry import Registry

findings = Registry("finding")

from pipeline.diagnosis.findings import (  # noqa: E402,F401
    always_clipped,
    blend_no_better,
    chosen_by_folds,
    covariate_shift,
    dead_units,
    diverged,
    duplicates_across_folds,
    duplicates_in_test,
    error_by_level,
    error_over_order,
    exploding,
    groups_over_folds,
    label_shift,
    loss_spikes,
    missing_otherwise,
    no_better_than_baseline,
    no_clear_winner,
    order_predicts,
    overfits,
    saturated,
    sharp_attention,
    shifted_columns,
    target_copy,
    time_backwards,
    too_good,
    underfits,
    units_alike,
    unknown_classes,
    unseen_levels,
    vanishing,
    wide_statistics,
)
