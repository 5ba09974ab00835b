# Page and API, for any host that runs containers:
# docker build -t clothing-classifier . && docker run -p 7860:7860 clothing-classifier
FROM python:3.12-slim
RUN useradd --create-home --uid 1000 visitor
WORKDIR /app
# What changes least comes first. The dependencies, for a package without content:
COPY pyproject.toml LICENSE ./
RUN touch README.md && mkdir clothing_classifier && echo "__version__ = '0'" > clothing_classifier/__init__.py \
    && pip install --no-cache-dir '.[database]' && pip uninstall --yes clothing_classifier
COPY examples/photos examples/photos
COPY settings.ini export.onnx MODEL_CARD.md ./
COPY nbs/app.ipynb nbs/app.ipynb
COPY clothing_classifier clothing_classifier
RUN pip install --no-cache-dir --no-deps --editable . && chown visitor /app
USER visitor
# Hugging Face Spaces expects port 7860; other hosts set PORT
ENV PORT=7860 PYTHONUNBUFFERED=1
EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s CMD ["python", "-c", \
    "import os, urllib.request as u; u.urlopen(f'http://127.0.0.1:{os.environ[\"PORT\"]}/healthz', timeout=4)"]
CMD ["sh", "-c", "exec clothing-classifier serve --ip 0.0.0.0 --port $PORT"]
