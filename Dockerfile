# Searches on the processor with Optuna and TensorFlow; docs/install.md says how to run it.
FROM python:3.11-slim AS build
WORKDIR /source
COPY . .
RUN python -m pip install --no-cache-dir build==1.3.0 && python -m build --wheel --outdir /wheels

FROM python:3.11-slim
COPY --from=build /wheels /wheels
# The versions are those that the wheel allows.
# hadolint ignore=DL3013
RUN wheel="$(echo /wheels/*.whl)" \
    && python -m pip install --no-cache-dir "${wheel}[optuna,tensorflow,images,tables]" \
    && rm -r /wheels \
    && useradd --create-home --uid 1000 searcher \
    && mkdir /work \
    && chown searcher /work
USER 1000
WORKDIR /work
# Another user (docker run --user) has no home: what is cached goes to the results.
ENV HOME=/work CUDA_VISIBLE_DEVICES=-1
ENTRYPOINT ["cellwright"]
CMD ["--help"]
