"""Commands about models: export, calibrate, verify, compare, measure."""
