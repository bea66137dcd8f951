"""Which cells or spots are neighbours, and pairs within a distance."""
