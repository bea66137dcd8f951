"""Methods on tissue sections: graphs, neighbourhoods, co-occurrence, architecture; all in micrometres."""
