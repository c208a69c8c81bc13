"""Bugs to plant, by the package that they break: `storage.skip_fsync` is the function of that name in `storage.py`.

Each patches the imported product when it is called.
"""
