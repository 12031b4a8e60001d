"""The web page of `unmask web`: its files, and a server for them on this machine.

The JavaScript of `src/` is the npm package `@unmask-sdk/web`; nothing of it runs in Python.
"""
