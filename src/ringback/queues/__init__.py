"""Queues of brokers: RabbitMQ, NATS JetStream, Kafka and Redis Streams."""
