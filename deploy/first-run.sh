#!/bin/sh
# Makes the secrets that docker-compose.yml mounts, once. Needs openssl and, for the broker's password file, docker.
set -eu
cd "$(dirname "$0")/secrets" 2>/dev/null || { mkdir -p "$(dirname "$0")/secrets" && cd "$(dirname "$0")/secrets"; }
umask 077
for name in influxdb_password siaga_history__token siaga_broker__password siaga_session_key siaga_simulator; do
  [ -s "$name" ] || openssl rand -hex 24 | tr -d '\n' > "$name"
done
# mosquitto stores salted hashes; devices are added with `siaga devices secret` or mosquitto_passwd.
: > mosquitto_passwords
docker run --rm -v "$PWD:/secrets" eclipse-mosquitto:2 \
  mosquitto_passwd -b /secrets/mosquitto_passwords gateway "$(cat siaga_broker__password)"
chmod 644 -- *
echo "secrets are in $PWD; now: docker compose up -d"
