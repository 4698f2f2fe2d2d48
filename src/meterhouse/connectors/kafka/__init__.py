"""Kafka: topics as inputs with positions."""
