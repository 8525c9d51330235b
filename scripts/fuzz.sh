#!/usr/bin/env bash
# Tries commands and rules that nobody would write on the policy, for some seconds (20, or $1). The
# compiler that builds Iris does: the coverage that libFuzzer needs is stable, only its usual tool is
# not. What it found that breaks is kept in fuzz/artifacts, and named.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/lib.sh
source scripts/lib.sh

# One file for each line of the corpus: every rule on, a rule more, and the command.
seeds() {
  mkdir -p fuzz/corpus fuzz/artifacts &&
    LC_ALL=C awk -F '\t' '!/^#/ && NF > 1 {
      file = sprintf("fuzz/corpus/seed-%03d", ++n)
      printf "\377Bash(git *)\n%s", $2 > file
      close(file)
    }' crates/domain/src/policy/corpus.txt
}

build() {
  local host
  host=$(rustc -vV | sed -n 's/^host: //p')
  # For the target only: programs that run during the build want no coverage.
  RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 --cfg fuzzing" \
    CARGO_TARGET_DIR=target/fuzz cargo build --locked --quiet --release \
    --manifest-path fuzz/Cargo.toml --target "$host" &&
    PROGRAM=target/fuzz/$host/release/policy
}

# libFuzzer says a lot; what counts is what broke, or how much was tried.
run() {
  local log=target/fuzz/log
  if ! "$PROGRAM" -max_total_time="$1" -max_len=2048 -timeout=10 -print_final_stats=1 \
    -artifact_prefix=fuzz/artifacts/ fuzz/corpus >"$log" 2>&1; then
    tail -n 40 "$log"
    return 1
  fi
  sed -n 's/^stat::number_of_executed_units: */       inputs tried: /p' "$log"
}

need_toolchains
step "Fuzz: seeds" seeds
step "Fuzz: build" build
step "Fuzz: the policy, for ${1:-20} s" run "${1:-20}"
