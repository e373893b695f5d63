"""Personal data: what there is and why (the register), and the way out (export and erasure)."""
