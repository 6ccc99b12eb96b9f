# doldrum for audits without network.
#
#   docker build -t doldrum .
#   docker run --rm --network none --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges \
#       --user "$(id -u):$(id -g)" -v "$PWD:/work:ro" -v "$PWD/report:/report" \
#       doldrum audit model.onnx --images inbox --clean trusted --out /report/audit
#
# The model and the images are read-only there; only /report can be written.
ARG PYTHON=3.12

FROM python:${PYTHON}-slim AS build
# The CPU build of torch: a tenth of the size of the one for GPUs.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/doldrum
ENV PATH=/opt/doldrum/bin:$PATH
WORKDIR /source
# What changes seldom comes first: a change of the code does not install torch again.
COPY constraints.txt ./
RUN pip install --constraint constraints.txt --index-url "${TORCH_INDEX}" --extra-index-url https://pypi.org/simple \
        "$(grep '^torch==' constraints.txt)"
COPY pyproject.toml hatch_build.py README.md LICENSE CHANGELOG.md CITATION.cff CONTRIBUTING.md SECURITY.md ./
COPY src ./src
RUN pip install --constraint constraints.txt '.[torch,onnx,openvino]'

FROM python:${PYTHON}-slim
COPY --from=build /opt/doldrum /opt/doldrum
# For any user number: outside the mounted folders, only /tmp is written.
ENV PATH=/opt/doldrum/bin:$PATH HOME=/tmp MPLCONFIGDIR=/tmp/matplotlib PYTHONUNBUFFERED=1
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin doldrum
USER 10001
WORKDIR /work
ENTRYPOINT ["doldrum"]
CMD ["--help"]
