"""Names of the built-in interest tree: eight topics of eight leaves."""

TOPICS: dict[str, tuple[str, ...]] = {
    "home": ("living room", "kitchen", "bedroom", "garden", "lighting", "storage", "bathroom", "renovation"),
    "food": ("baking", "vegetarian", "grilling", "breakfast", "drinks", "meal plans", "desserts", "soups"),
    "fashion": ("street style", "shoes", "bags", "dresses", "menswear", "vintage", "knitwear", "jewellery"),
    "beauty": ("skin care", "make-up", "nails", "hair colour", "braids", "fragrance", "tattoos", "grooming"),
    "travel": ("beaches", "city trips", "camping", "road trips", "mountains", "packing", "islands", "trains"),
    "crafts": ("crochet", "woodwork", "paper", "sewing", "pottery", "candles", "beads", "upcycling"),
    "art": ("watercolour", "drawing", "photography", "typography", "murals", "animation", "design", "tiles"),
    "family": ("nursery", "birthdays", "weddings", "school", "pets", "toys", "fitness", "gifts"),
}
