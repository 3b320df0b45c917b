"""What moves a version, and what may stop it: pins, promotions, evidence, gates."""
