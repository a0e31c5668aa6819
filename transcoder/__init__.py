"""The media library of Framemill: files or file-like objects in, files out. It knows no cluster and no network."""
