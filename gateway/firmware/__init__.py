"""Firmware updates in the gateway: keys in files, images on disk, devices from the registry, views for pages."""
