"""The parts of the probe: the pass over the packets, the first pictures and sounds, what the pictures show."""
