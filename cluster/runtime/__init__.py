"""Runtimes: what places task calls on machines. Only modules of this folder import Ray."""
