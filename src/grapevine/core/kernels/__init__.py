"""The same contract as the plain version, compiled; the only place that looks at device, dtype."""
