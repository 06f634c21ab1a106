# Sourced by the stages in .ci/stages, which .ci/run starts at the top of the source.
set -euo pipefail
scratch=${NODEPOOL_CI_SCRATCH:?a stage is started by .ci/run}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/nodepool-ci
partners=$PWD/test/partners
mkdir -p "$cache"

fail() { printf '\nFAILED: %s\n' "$1"; exit 1; }
# What the stage has shown: so many passed.
count() { echo "$1" >>"$scratch/passed"; }
# The number at the start of a suite's last line, `N passed…`.
count_last_line() { count "$(tail -1 "$1" | cut -d' ' -f1)"; }
# With a log of its own, of which a failure shows the end.
logged() { # LOG COMMAND...
  local log=$scratch/$1; shift
  "$@" >"$log" 2>&1 || { tail -60 "$log"; fail "$*"; }
}

packages() { # DEBIAN-PACKAGE...
  local missing=() package
  for package in "$@"; do
    dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package")
  done
  [ ${#missing[@]} != 0 ] || return 0
  apt-get update -qq || fail 'apt-get update'
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null || fail "apt-get install ${missing[*]}"
}

# Apache ZooKeeper, its Java, and what makes certificates for it.
zookeeper_packages() {
  command -v java >/dev/null || packages openjdk-17-jre-headless
  packages zookeeper openssl
}

# The packages of package-lock.json, once for each of its versions.
modules() {
  local stamp=node_modules/.nodepool-ci lock
  lock=$(sha256sum package-lock.json packages/*/package.json package.json | sha256sum)
  [ "$(cat "$stamp" 2>/dev/null)" != "$lock" ] || return 0
  npm ci --no-audit --no-fund >/dev/null || fail 'npm ci'
  echo "$lock" >"$stamp"
}

# The built programs, once a run.
programs() {
  modules
  [ ! -e "$scratch/built" ] || return 0
  npm run --silent build || fail 'npm run build'
  touch "$scratch/built"
}

# vitest's own count of passed tests is the stage's.
vitest_suite() { # NAME [VITEST-OPTION...]
  local report=$scratch/$1.json; shift
  npx vitest run --reporter=default --reporter=json --outputFile.json="$report" "$@" || fail "vitest run $*"
  count "$(node -p "require('$report').numPassedTests")"
}

# Python 3.11 is what the Python Nodepool is made for; Debian 12 has it, and its module `venv` in a package.
python_packages() { python3.11 -c 'import ensurepip, venv' 2>/dev/null || packages python3 python3-venv; }
python_environment() { # FOLDER PROGRAM PIP-ARGUMENT...
  local venv=$1 program=$2; shift 2
  [ ! -x "$venv/bin/$program" ] || return 0
  rm -rf "$venv"
  python_packages
  python3.11 -m venv "$venv" || fail "python3.11 -m venv $venv"
  "$venv/bin/pip" install -q --disable-pip-version-check "$@" || fail "pip install $*"
}
peer_environment() {
  python_environment "$cache/peer" nodepool -c "$partners/peer-suite/constraints.txt" 'nodepool==11.0.0' 'kazoo==2.9.0' cachetools 'setuptools<80' 'kubernetes<32'
  export NODEPOOL_TEST_PYTHON=$cache/peer/bin/python NODEPOOL_TEST_PEER=$cache/peer/bin/nodepool
}
zuul_environment() {
  python_environment "$cache/zuul" zuul-scheduler 'zuul==11.3.0'
  export NODEPOOL_TEST_ZUUL_PYTHON=$cache/zuul/bin/python
}

# Some machines are containers that let no others be made in them; that, and nothing else, is an excuse.
containers_or_skip() { # WHAT
  if ! test/container/able >"$scratch/able.log" 2>&1; then
    printf 'SKIPPED: %s: no container can be made here\n' "$1" | tee -a "$scratch/skipped"
    cat "$scratch/able.log"
    exit 0
  fi
}

# The documents that 300 simulated worlds write; the stages `worlds` and `peer-shapes` share them.
shapes=$scratch/shapes.json
simulate() {
  logged simulation.log node --import ./test/run-typescript.mjs test/simulation/run.ts --seeds 300 --shapes "$shapes"
  tail -1 "$scratch/simulation.log"
}
