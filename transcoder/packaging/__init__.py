"""Packaging: segments by Shaka Packager, and the manifests over them, HLS and DASH over the same CMAF files."""
