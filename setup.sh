#!/usr/bin/env bash
# Makes .venv in this clone and installs streammtl into it. Used by ./demo and ./test; safe to run again.
# usage: setup.sh [EXTRA], e.g. setup.sh dev
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
extra="${1:-}"
libraries="libusb-1.0-0 libegl1 libgl1 libx11-6 libgomp1"

say() { printf '%s\n' "$*" >&2; }

apt_install() {
  local sudo=""
  if [ "$(id -u)" -ne 0 ]; then
    if command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then sudo="sudo"; else return 1; fi
  fi
  command -v apt-get >/dev/null 2>&1 || return 1
  say "installing system packages: $*"
  $sudo apt-get update -qq && $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

find_python() {
  local candidate
  for candidate in ${PYTHON:-} python3 python3.13 python3.12 python3.11; do
    if command -v "$candidate" >/dev/null 2>&1 && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      command -v "$candidate"
      return 0
    fi
  done
  return 1
}

need() { # need LIBRARY_FILE...: true when the loader finds all of them
  local file
  for file in "$@"; do ldconfig -p 2>/dev/null | grep -q "$file" || return 1; done
}

python="$(find_python)" || { say "Python 3.11 or newer is needed: apt-get install python3 python3-venv"; exit 1; }

if [ "$(uname -s)" = Linux ] && ! need libusb-1.0.so.0 libEGL.so.1 libGL.so.1 libX11.so.6 libgomp.so.1; then
  # shellcheck disable=SC2086
  apt_install $libraries || { say "System libraries are missing. As root: apt-get install --no-install-recommends $libraries"; exit 1; }
fi

if [ ! -x .venv/bin/python ] || ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
  if ! "$python" -c 'import ensurepip' 2>/dev/null; then
    version="$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
    apt_install "python$version-venv" || { say "Python's venv module is missing. As root: apt-get install python$version-venv"; exit 1; }
  fi
  say "making .venv"
  "$python" -m venv --clear .venv
fi

wanted="$(cat pyproject.toml constraints.txt | sha256sum | cut -d' ' -f1) ${extra:-plain}"
if [ -f .venv/installed ] && grep -qxF "$wanted" .venv/installed; then exit 0; fi

index=()
if [ "$(uname -s)" = Linux ] && ! command -v nvidia-smi >/dev/null 2>&1; then
  # without an NVIDIA GPU PyTorch's CPU builds spare gigabytes of CUDA packages, where their index can be reached
  cpu_index="https://download.pytorch.org/whl/cpu"
  if .venv/bin/python - "$cpu_index" <<'PY' 2>/dev/null
import sys, urllib.request
urllib.request.urlopen(sys.argv[1] + "/torch/", timeout=5).read(1)
PY
  then index=(--extra-index-url "$cpu_index"); fi
fi

say "installing streammtl${extra:+ with $extra} (about a minute)"
.venv/bin/python -m pip install -q --disable-pip-version-check "${index[@]}" -c constraints.txt -e ".${extra:+[$extra]}"
printf '%s\n' "$wanted" >> .venv/installed
