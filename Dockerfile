# One image for web, worker and beat: docker-compose.yml chooses the command.
FROM python:3.13-slim AS packages
COPY requirements/production.txt /tmp/production.txt
RUN python -m venv /opt/venv \
 && /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r /tmp/production.txt

FROM python:3.13-slim
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    MALLOC_ARENA_MAX=2 \
    MALLOC_TRIM_THRESHOLD_=131072 \
    SUITEWATCH_HOST=0.0.0.0 \
    SUITEWATCH_LOG_FORMAT=json
COPY --from=packages /opt/venv /opt/venv
WORKDIR /app
COPY manage.py ./
# The settings read the version in it.
COPY pyproject.toml ./
COPY config ./config
COPY health ./health
COPY ingest ./ingest
COPY dashboard ./dashboard
COPY templates ./templates
COPY static ./static
RUN python manage.py collectstatic --no-input --verbosity 0 \
 && useradd --system --uid 10001 --no-create-home suitewatch
USER suitewatch
EXPOSE 8000
CMD ["python", "-m", "gunicorn", "--config", "python:config.gunicorn", "config.wsgi:application"]
