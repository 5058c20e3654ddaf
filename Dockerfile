# Two stages: the first builds the wheel with its browser assets, the second runs it as an ordinary user.
FROM python:3.12-slim AS build
WORKDIR /src
COPY requirements.txt pyproject.toml README.md LICENSE hatch_build.py ./
COPY frontend frontend
COPY diagnostics diagnostics
COPY firmware_updates firmware_updates
COPY device_sim device_sim
COPY gateway gateway
RUN python -m venv /opt/siaga \
 && /opt/siaga/bin/pip install --no-cache-dir --require-hashes -r requirements.txt \
 && pip wheel --no-cache-dir --no-deps -w /dist . \
 && /opt/siaga/bin/pip install --no-cache-dir --no-deps /dist/*.whl

FROM python:3.12-slim
RUN useradd --system --uid 10001 --home-dir /var/lib/siaga --create-home siaga
COPY --from=build /opt/siaga /opt/siaga
ENV PATH=/opt/siaga/bin:$PATH PYTHONUNBUFFERED=1
USER siaga
WORKDIR /var/lib/siaga
VOLUME /var/lib/siaga
EXPOSE 8080 1883
HEALTHCHECK --interval=15s --timeout=3s --start-period=20s \
  CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8080/healthz', timeout=2)"]
ENTRYPOINT ["siaga"]
CMD ["run", "-c", "/etc/siaga/siaga.toml", "--secrets", "/run/secrets"]
