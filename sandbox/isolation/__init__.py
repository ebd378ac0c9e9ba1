"""Running untrusted text: the one-method seam and its backends."""
