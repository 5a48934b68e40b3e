"""Physical constants, in the units of molecular dynamics."""

GAS_CONSTANT_KJ_PER_MOL_K = 8.31446261815324e-3
