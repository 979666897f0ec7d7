"""From a Graph to a better Graph, and from that to what an executor needs to know. Computes nothing."""
