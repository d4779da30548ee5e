"""The ranking side: catalog, content, intent, retrieval, features, models, training, data, the engine."""
