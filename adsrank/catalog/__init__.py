"""What advertisers say: account > campaign > ad group > ad, checked at the door, stored, and
frozen into a versioned snapshot of columns that a request can be decided on."""
