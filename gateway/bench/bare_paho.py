"""A paho subscriber that does nothing: what the client library alone costs. `python -m gateway.bench.bare_paho PORT`"""

import signal
import sys
import threading

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion


def main() -> None:
    """Subscribe at QoS 1 and drop what comes, until SIGTERM."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id="bare", protocol=paho.MQTTv5)
    client.on_connect = lambda made, *_: made.subscribe("siaga/v1/+/telemetry", 1)
    client.on_message = lambda *_: None
    client.connect("127.0.0.1", int(sys.argv[1]))
    client.loop_start()
    stop.wait()
    client.disconnect()
    client.loop_stop()


if __name__ == "__main__":
    main()
