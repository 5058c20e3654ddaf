"""Whether a broker lets us in: one CONNECT, and its answer."""

from typing import Final

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from gateway.clock import SystemClock
from gateway.ingest.broker_link import BrokerAddress

WAIT_S: Final = 5.0


def knock(address: BrokerAddress, wait_s: float = WAIT_S) -> str:
    """Why it does not let us in, in one line; "" if it does. Blocks; another client id than the gateway's."""
    said: list[ReasonCode] = []

    def hear(_client: object, _data: object, _flags: object, code: ReasonCode, _properties: object) -> None:
        said.append(code)

    client = paho.Client(CallbackAPIVersion.VERSION2, client_id=f"{address.client_id}-doctor", protocol=paho.MQTTv5)
    client.on_connect = hear
    if address.username:
        client.username_pw_set(address.username, address.password)
    if address.tls is not None:
        client.tls_set_context(address.tls)
    try:
        client.connect(address.host, address.port, address.keepalive_s)
        clock = SystemClock()
        until = clock.monotonic() + wait_s
        while not said and clock.monotonic() < until:
            client.loop(0.1)
    except OSError as error:
        return f"does not answer: {error}"
    finally:
        client.disconnect()
    if not said:
        return f"takes connections and says nothing within {wait_s:g} s"
    return f"refuses us: {said[0]}" if said[0].is_failure else ""
