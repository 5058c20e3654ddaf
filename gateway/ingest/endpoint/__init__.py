"""The embedded MQTT endpoint: devices connect straight to the gateway (see README.md)."""
