"""Customers, their sites, their devices."""

from sqlalchemy import BigInteger, Column, Double, ForeignKey, LargeBinary, Table, Text

from gateway.storage.schema.base import Key, metadata

customers = Table(
    "customers",
    metadata,
    Column("customer_id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("language", Text, nullable=False),
    Column("zone", Text, nullable=False),
    Column("email", Text, nullable=False),
)

sites = Table(
    "sites",
    metadata,
    Column("site_id", Text, primary_key=True),
    Column("customer_id", Text, ForeignKey("customers.customer_id"), nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("zone", Text, nullable=False),
)

devices = Table(
    "devices",
    metadata,
    Column("device_id", Key, primary_key=True),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("site_id", Text, ForeignKey("sites.site_id"), nullable=False, index=True),
    Column("parent_id", Text, nullable=False),
    Column("redundancy_group", Text, nullable=False),
    Column("silence_s", Double, nullable=False),
    Column("warranty_until", Text, nullable=False),
    Column("contract_until", Text, nullable=False),
    Column("support_until", Text, nullable=False),
    Column("windows", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("secret_hash", LargeBinary, comment="of the MQTT password; null: certificate only"),
    Column("revision", BigInteger, nullable=False, index=True, comment="counters.devices when the row was last put"),
)
