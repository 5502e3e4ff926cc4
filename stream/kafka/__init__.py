"""The Kafka edge: the only room, with the codec's Schema Registry, that knows confluent-kafka."""
