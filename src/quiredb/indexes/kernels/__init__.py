"""Compiled kernels. `registry` declares them, `simd` holds the instructions, the other files one algorithm each."""
