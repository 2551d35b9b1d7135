"""Who is near whom: compiled kernels over arrays, no models and no tables."""
