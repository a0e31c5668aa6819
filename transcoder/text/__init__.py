"""Text: a source's subtitles become cues on the title's clock, and the cues WebVTT segments on its segment grid."""
