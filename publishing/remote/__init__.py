"""Publishing from addresses: who asks the servers is a process of its own, and is told what to ask.

``fetcher`` is that process, ``child`` is how the publication's worker speaks with it.
"""
