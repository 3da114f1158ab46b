#!/bin/sh
# Runs rustc. Crates of this project get the coverage counters of LLVM's SanitizerCoverage, which libFuzzer reads. Every
# other crate is compiled as for the tests, so that both share one build of it. Stable Rust has the flags for counters;
# it has no sanitizers, such as the address sanitizer.
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
