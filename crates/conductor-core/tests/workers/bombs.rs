//! Modules that are expensive to compile.

use wasm_encoder::{
    BlockType, CodeSection, Encode as _, ExportKind, ExportSection, Function, FunctionSection,
    Instruction as I, MemArg, MemorySection, MemoryType, Module, TypeSection, ValType,
};

/// One function with many empty blocks, one after another.
pub(crate) fn repeated_blocks(count: usize) -> Vec<u8> {
    let mut body = Vec::new();
    for _ in 0..count {
        encode(&mut body, &[I::Block(BlockType::Empty), I::End]);
    }
    module(1, 0, &body)
}

/// Functions without a body, in addition to the exported one.
pub(crate) fn empty_functions(count: usize) -> Vec<u8> {
    module(count, 0, &[])
}

/// One function with many locals.
pub(crate) fn locals(count: u32) -> Vec<u8> {
    module(1, count, &[])
}

/// One function with a branch to one of many targets, which are all the same.
pub(crate) fn branch_targets(count: usize) -> Vec<u8> {
    let mut body = Vec::new();
    encode(&mut body, &[I::Block(BlockType::Empty), I::I32Const(0)]);
    encode(&mut body, &[I::BrTable(vec![0; count].into(), 0), I::End]);
    module(1, 0, &body)
}

/// Functions with exactly as many loops and locals as one function may have. The loops are nested, and each loop
/// changes every local.
pub(crate) fn nested_loops(functions: usize) -> Vec<u8> {
    const EACH: u32 = 223;
    let mut body = Vec::new();
    for _ in 0..EACH {
        encode(&mut body, &[I::Loop(BlockType::Empty)]);
    }
    for _ in 0..EACH {
        for local in 0..EACH {
            add(&mut body, local, EACH);
        }
        encode(&mut body, &[I::LocalGet(0), I::BrIf(0), I::End]);
    }
    module(functions, EACH, &body)
}

/// Functions with exactly as many conditionals and locals as one function may have; each conditional changes locals.
pub(crate) fn conditionals(functions: usize) -> Vec<u8> {
    const EACH: u32 = 500;
    let mut body = Vec::new();
    for _ in 0..EACH {
        encode(&mut body, &[I::LocalGet(0), I::If(BlockType::Empty)]);
        for local in 0..EACH / 4 {
            add(&mut body, local, EACH);
        }
        encode(&mut body, &[I::End]);
    }
    module(functions, EACH, &body)
}

/// Functions of the largest size, without a branch, which load all values before they use any.
pub(crate) fn large_functions(functions: usize) -> Vec<u8> {
    const VALUES: u32 = 80_000;
    let mut body = Vec::new();
    for value in 0..VALUES {
        let offset = u64::from(value % 16);
        encode(
            &mut body,
            &[I::LocalGet(value % 2), I::I32Load(MemArg { offset, align: 2, memory_index: 0 })],
        );
    }
    for _ in 1..VALUES {
        encode(&mut body, &[I::I32Add]);
    }
    encode(&mut body, &[I::Drop]);
    module(functions, 2, &body)
}

/// Functions with the deepest nesting of blocks and the most branch targets that one function may have.
pub(crate) fn nested_tables(functions: usize) -> Vec<u8> {
    const DEPTH: u32 = 8_000;
    let mut body = Vec::new();
    for _ in 0..DEPTH {
        encode(&mut body, &[I::Block(BlockType::Empty)]);
    }
    for _ in 0..8 {
        let targets: Vec<u32> = (0..DEPTH).collect();
        encode(&mut body, &[I::LocalGet(0), I::If(BlockType::Empty), I::LocalGet(1)]);
        encode(&mut body, &[I::BrTable(targets.into(), 0), I::End]);
    }
    for _ in 0..DEPTH {
        encode(&mut body, &[I::End]);
    }
    module(functions, 2, &body)
}

/// The most functions that a module may have, each with a little of everything.
pub(crate) fn small_functions(functions: usize) -> Vec<u8> {
    let mut body = Vec::new();
    for local in 0..4 {
        encode(&mut body, &[I::Loop(BlockType::Empty)]);
        add(&mut body, local, 40);
        encode(&mut body, &[I::LocalGet(local), I::BrIf(0), I::End]);
    }
    module(functions, 40, &body)
}

/// Types with as many parameters and results as WebAssembly allows, all different.
pub(crate) fn wide_types(count: u32) -> Vec<u8> {
    let mut types = TypeSection::new();
    for number in 0..count {
        let values = (0..1_000).map(|at| match number.checked_shr(at) {
            Some(rest) if rest % 2 == 1 => ValType::I64,
            _ => ValType::I32,
        });
        types.ty().function(values.clone(), values);
    }
    let mut module = Module::new();
    module.section(&types);
    module.finish()
}

/// A module with `bytes` more bytes of data, so that it may take longer to compile.
pub(crate) fn padded(mut module: Vec<u8>, bytes: usize) -> Vec<u8> {
    const DATA_SECTION: u8 = 11;
    /// One data segment, which nothing uses.
    const PASSIVE: [u8; 2] = [1, 1];
    let mut content = PASSIVE.to_vec();
    vec![0u8; bytes].as_slice().encode(&mut content);
    module.push(DATA_SECTION);
    content.as_slice().encode(&mut module);
    module
}

/// Adds the next local to this local.
fn add(body: &mut Vec<u8>, local: u32, locals: u32) {
    encode(body, &[I::LocalGet(local), I::LocalGet((local + 1) % locals), I::I32Add, I::LocalSet(local)]);
}

fn encode(body: &mut Vec<u8>, instructions: &[I<'_>]) {
    for instruction in instructions {
        instruction.encode(body);
    }
}

/// A command plugin that does nothing, with further functions that all have the same locals and body.
fn module(functions: usize, locals: u32, body: &[u8]) -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([], []);
    let mut declared = FunctionSection::new();
    let mut code = CodeSection::new();
    declared.function(0);
    code.function(&function(0, &[]));
    let function = function(locals, body);
    for _ in 0..functions {
        declared.function(0);
        code.function(&function);
    }
    let mut memories = MemorySection::new();
    let memory =
        MemoryType { minimum: 1, maximum: None, memory64: false, shared: false, page_size_log2: None };
    memories.memory(memory);
    let mut exports = ExportSection::new();
    exports.export("_start", ExportKind::Func, 0);
    let mut module = Module::new();
    module.section(&types).section(&declared).section(&memories).section(&exports).section(&code);
    module.finish()
}

fn function(locals: u32, body: &[u8]) -> Function {
    let mut function = Function::new([(locals, ValType::I32)]);
    function.raw(body.iter().copied());
    function.instruction(&I::End);
    function
}
