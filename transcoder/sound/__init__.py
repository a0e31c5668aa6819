"""Sound: from a source's packets to the segments of every audio rendition, exact to the sample.

A track is decoded once. Its frames are laid on the title's timeline (`timeline`), mixed to the channels of each
rendition (`channels`), measured and levelled (`loudness`), encoded without a break (`encoders`) or passed through
(`passthrough`), and cut into the plan's segments (`segments`). `track.encode_track` is the whole of it.
"""
