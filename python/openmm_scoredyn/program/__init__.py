"""Score programs: the card, the model, native code, devices, precision."""
