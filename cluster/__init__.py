"""The cluster of Framemill: runs a plan of chunk tasks on Ray and commits exactly one attempt of each."""
