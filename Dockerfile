# Serves the studio on port 7860.
#
#     docker build -t photism .
#     docker run -p 7860:7860 photism
FROM python:3.11-slim

# torch for the CPU is a tenth of the size of torch with CUDA. pytorch.org names the package index that has it:
#     docker build -t photism --build-arg PIP_EXTRA_INDEX_URL=INDEX .
ARG PIP_EXTRA_INDEX_URL

WORKDIR /photism
COPY . .
RUN pip install --no-cache-dir --constraint constraints.txt ./packages/photism-tiny '.[studio]'

ENV HOME=/tmp
USER nobody
EXPOSE 7860
STOPSIGNAL SIGINT
CMD ["photism", "serve", "--host", "0.0.0.0"]
