# Serves the studio and the HTTP interface on port 7860.
#
#     docker build -t photism .
#     docker run --rm -p 127.0.0.1:7860:7860 -e PHOTISM_PASSWORD=… -v photism-models:/models photism
#
# Any other command follows the name of the image: docker run --rm photism doctor
FROM python:3.11-slim

# torch for the CPU is a tenth of the size of torch with CUDA. pytorch.org names the package index that has it:
#     docker build -t photism --build-arg PIP_EXTRA_INDEX_URL=INDEX .
ARG PIP_EXTRA_INDEX_URL
ENV PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore

WORKDIR /photism

# The requirements of an empty package of that name: torch and the others are installed again when these three files
# change, and not when the source does.
COPY constraints.txt hatch_build.py pyproject.toml ./
RUN mkdir -p src/photism \
    && touch LICENSE README.md \
    && echo '__version__ = "0"' > src/photism/__init__.py \
    && pip install --constraint constraints.txt '.[server]' \
    && pip uninstall --yes photism \
    && rm -r LICENSE README.md src

COPY packages/photism-tiny packages/photism-tiny
RUN pip install --no-deps ./packages/photism-tiny

COPY LICENSE README.md ./
COPY src src
RUN pip install --no-deps .

# Models that are downloaded are kept in the volume. Everything else is written to /tmp, so that the file system may be
# read-only: docker run --read-only --tmpfs /tmp …
RUN useradd --uid 10001 --home-dir /tmp --no-create-home photism && install --directory --owner photism /models
ENV HF_HOME=/models PYTHONUNBUFFERED=1
VOLUME /models
USER 10001
WORKDIR /tmp

# The check is for http on port 7860. With --port, --tls-cert or --tls-self-signed, give docker run --no-healthcheck, or
# --health-cmd and a command like this one for the other address.
EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s CMD ["python", "-c", \
    "from urllib.request import ProxyHandler, build_opener; build_opener(ProxyHandler({})).open('http://127.0.0.1:7860/health', timeout=4)"]
ENTRYPOINT ["photism"]
CMD ["serve", "--host", "0.0.0.0"]
