"""What nobody would send: requests made by chance from a seed, and what must hold for every answer."""
