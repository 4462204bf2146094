#!/usr/bin/env bash
# The peers of the benchmarks, in an environment of their own (.peers): they cannot share ours.
set -euo pipefail
cd "$(dirname "$0")/.."
[ -x .peers/bin/python ] || "${PYTHON:-python3}" -m venv .peers
pip=".peers/bin/python -m pip install --quiet --disable-pip-version-check"
$pip torch==2.13.0
$pip "numpy<2.4" "scipy<1.16" "pandas<3" polars duckdb pyarrow implicit
# RecBole pins libraries of 2023; without its pins it runs on today's (see peer_recbole.py)
$pip --no-deps recbole==1.2.1
$pip colorlog==6.7.0 colorama tqdm pyyaml tensorboard texttable tabulate thop psutil scikit-learn plotly "numpy<2.4" "scipy<1.16"
