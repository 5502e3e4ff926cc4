"""What a telescope can point at: sites, sun and moon, visibility of a sky map, probability in fields; numpy alone."""
