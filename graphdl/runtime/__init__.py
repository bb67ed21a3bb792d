"""What compiled programs need while they run: variables, locks, the disk cache, artifacts.

In: arrays, bytes and files. Out: storages with fixed addresses, cached object code, loaded
artifacts. Imports only the lowest floors and NumPy, so that loading an artifact needs nothing else.
May be imported by every floor above.
"""
