//! Modules of the size that large toolchains make, and the cost of compiling beyond that of the engine alone.

use std::fmt;
use std::fs;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use conductor_core::{Outcome, PluginOptions};
use wasm_encoder::{
    CodeSection, ConstExpr, DataSection, ExportKind, ExportSection, Function, FunctionSection,
    Instruction as I, MemArg, MemorySection, MemoryType, Module, TypeSection, ValType,
};

use crate::hosts;
use crate::raw::call;
use crate::support::{REQUEST, load};

/// Number of data segments in a Go program that prints a line.
const SEGMENTS: u32 = 20_912;

/// Bytes from the start of one segment to the start of the next; most are zero.
const STEP: u32 = 128;

/// Bytes of each segment.
const BYTES: usize = 60;

/// Data in very many segments is laid out once, when the module is compiled: the module loads within the default
/// limits, and every instance has the data in place.
pub(crate) fn a_module_with_very_many_segments_loads() {
    for host in [hosts::in_workers(), hosts::in_process()] {
        let mut plugin = load(&host, "large.wasm", module(), &PluginOptions::default()).expect("loads");
        // The sum of the first bytes of all segments.
        let sum: u32 = (0..SEGMENTS).map(|number| number % 250 + 1).sum();
        let report = plugin.execute(REQUEST);
        assert_eq!(report.outcome, Outcome::Failed { code: sum.cast_signed() });
        // Making an instance costs fuel for the plugin's code, but not for its data.
        assert_eq!(plugin.execute(REQUEST).outcome, Outcome::Failed { code: sum.cast_signed() });
    }
}

fn module() -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([ValType::I32], [ValType::I32]);
    types.ty().function([ValType::I32, ValType::I32], [ValType::I32]);
    let mut functions = FunctionSection::new();
    functions.function(0).function(1);
    let mut memories = MemorySection::new();
    let minimum = u64::from(SEGMENTS * STEP).div_ceil(65_536);
    memories.memory(MemoryType {
        minimum,
        maximum: None,
        memory64: false,
        shared: false,
        page_size_log2: None,
    });
    let mut exports = ExportSection::new();
    exports.export("memory", ExportKind::Memory, 0);
    exports.export("alloc", ExportKind::Func, 0).export("execute", ExportKind::Func, 1);
    let mut code = CodeSection::new();
    let mut alloc = Function::new([]);
    alloc.instruction(&I::I32Const(i32::try_from(STEP / 2).expect("small"))).instruction(&I::End);
    let mut execute = Function::new([(2, ValType::I32)]);
    let (at, sum) = (2, 3);
    let first = MemArg { offset: 0, align: 0, memory_index: 0 };
    for instruction in [
        I::Loop(wasm_encoder::BlockType::Empty),
        I::LocalGet(at),
        I::I32Load8U(first),
        I::LocalGet(sum),
        I::I32Add,
        I::LocalSet(sum),
        I::LocalGet(at),
        I::I32Const(STEP.cast_signed()),
        I::I32Add,
        I::LocalTee(at),
        I::I32Const((SEGMENTS * STEP).cast_signed()),
        I::I32LtU,
        I::BrIf(0),
        I::End,
        I::LocalGet(sum),
        I::End,
    ] {
        execute.instruction(&instruction);
    }
    code.function(&alloc).function(&execute);
    let mut data = DataSection::new();
    for number in 0..SEGMENTS {
        let mut bytes = [7; BYTES];
        bytes[0] = u8::try_from(number % 250 + 1).expect("small");
        data.active(0, &ConstExpr::i32_const((number * STEP).cast_signed()), bytes);
    }
    let mut module = Module::new();
    module.section(&types).section(&functions).section(&memories).section(&exports);
    module.section(&code).section(&data);
    module.finish()
}

/// Compiles each named file, once with the engine alone in a separate process and once with a host with workers, and
/// prints the cost of both.
pub(crate) fn run(mut arguments: impl Iterator<Item = String>) -> ExitCode {
    let first = arguments.next().expect("a file");
    match first.as_str() {
        "bare" => return bare(&arguments.next().expect("a file")),
        "through-workers" => return through_workers(&arguments.next().expect("a file")),
        _ => {}
    }
    let program = std::env::current_exe().expect("this program");
    for file in std::iter::once(first).chain(arguments) {
        for (how, name) in [("bare", "the engine alone"), ("through-workers", "through two workers")] {
            let output = Command::new(&program).args(["compile-cost", how, &file]).output().expect("starts");
            println!("{file}: {name}: {}", String::from_utf8_lossy(&output.stdout).trim());
        }
    }
    ExitCode::SUCCESS
}

#[expect(
    clippy::disallowed_methods,
    reason = "the yardstick: what the engine's own compiler takes for a file of the developer's"
)]
fn bare(file: &str) -> ExitCode {
    let bytes = fs::read(file).expect("readable");
    let mut config = wasmtime::Config::new();
    config.consume_fuel(true).epoch_interruption(true).parallel_compilation(false);
    let engine = wasmtime::Engine::new(&config).expect("an engine");
    let started = Instant::now();
    let code = engine.precompile_module(&bytes).expect("compiles");
    let took = started.elapsed();
    println!("{took:.2?}, {}, for {} KiB of code", Used::by(libc::RUSAGE_SELF), code.len() / 1024);
    ExitCode::SUCCESS
}

/// Prints the time of the first load of a file, until the plugin has started or its start has failed.
#[expect(clippy::disallowed_methods, reason = "a file of the developer's own")]
fn through_workers(file: &str) -> ExitCode {
    let host = hosts::in_workers();
    let bytes = fs::read(file).expect("readable");
    let options = PluginOptions { accept_unsigned: true, ..PluginOptions::default() };
    let started = Instant::now();
    let loaded = load(&host, "large.wasm", bytes, &options);
    let took = started.elapsed();
    let ended = loaded.map_or_else(|error| error.to_string(), |_| "started".to_owned());
    // The compiling worker was waited for; the running worker, which has just been told to end, uses next to nothing.
    println!("{took:.2?}, {}, {ended}", Used::by(libc::RUSAGE_CHILDREN));
    ExitCode::SUCCESS
}

/// Resources that processes have used.
struct Used {
    processor: Duration,
    /// Peak of resident memory of one of the processes.
    kibibytes: u64,
}

impl Used {
    /// The kernel's account of this process, or of its children that were waited for.
    fn by(whom: libc::c_int) -> Self {
        // Seconds and microseconds of the processes themselves, the same of the kernel for them, the memory, and more.
        let mut account = [0u64; 18];
        assert_eq!(call!(SYS_getrusage, whom, account.as_mut_ptr()), 0, "the kernel accounts for it");
        let [own, own_micros, kernels, kernels_micros, kibibytes, ..] = account;
        let micros = Duration::from_micros(own_micros + kernels_micros);
        Self { processor: Duration::from_secs(own + kernels) + micros, kibibytes }
    }
}

impl fmt::Display for Used {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2?} of a processor, {} MiB", self.processor, self.kibibytes / 1024)
    }
}
