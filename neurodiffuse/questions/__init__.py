"""Questions asked of the fitted maps of a run, besides decoding."""
