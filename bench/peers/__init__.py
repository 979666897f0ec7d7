"""The peers: each module is loaded only in the process of a contender that asks for it."""
