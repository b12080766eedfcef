"""Pure: a summary becomes what people read."""
