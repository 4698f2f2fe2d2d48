"""NATS JetStream: streams as inputs with positions."""
