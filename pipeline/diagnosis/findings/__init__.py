"""Shelf ``findings``: what may be the matter, by code (POD1..: fit, 2..: shift, 3..: leaks, 4..: comparison)."""

from pipeline.core.registry import Registry

findings = Registry("finding")

from pipeline.diagnosis.findings import (  # noqa: E402,F401
    blend_no_better,
    chosen_by_folds,
    covariate_shift,
    duplicates_across_folds,
    duplicates_in_test,
    error_over_order,
    groups_over_folds,
    label_shift,
    missing_otherwise,
    no_better_than_baseline,
    no_clear_winner,
    order_predicts,
    overfits,
    shifted_columns,
    target_copy,
    too_good,
    underfits,
    unseen_levels,
    wide_statistics,
)
