"""RabbitMQ: queues as inputs."""
