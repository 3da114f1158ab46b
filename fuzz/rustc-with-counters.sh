#!/bin/sh
# Runs rustc; for crates of this project with the coverage counters of LLVM's SanitizerCoverage, which libFuzzer reads.
# Every other crate is compiled as it is for the tests, so that both share one build of it. Stable Rust has these flags;
# the sanitizers themselves, such as that of addresses, it does not have.
case "${CARGO_PKG_NAME:-}/${CARGO_CRATE_NAME:-}" in
    conductor-fuzz/seeds) exec "$@" ;;
    conductor-*)
        exec "$@" --cfg fuzzing -Ccodegen-units=1 -Cpasses=sancov-module \
            -Cllvm-args=-sanitizer-coverage-level=4 \
            -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
            -Cllvm-args=-sanitizer-coverage-pc-table \
            -Cllvm-args=-sanitizer-coverage-trace-compares
        ;;
    *) exec "$@" ;;
esac
