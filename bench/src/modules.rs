//! Modules that are generated here, as text or byte by byte.

use wasm_encoder::{
    CodeSection, ConstExpr, CustomSection, ExportKind, ExportSection, Function, FunctionSection,
    GlobalSection, GlobalType, MemorySection, MemoryType, Module, TypeSection, ValType,
};

/// About how many bytes the large module has.
const MEGABYTE: usize = 1 << 20;

/// Arithmetic steps in each function of the large module.
const STEPS: u32 = 60;

/// A plugin of a megabyte of code: functions that compute, load and store, branch, and call one another.
pub(crate) fn megabyte() -> Vec<u8> {
    let mut module = Module::new();
    let mut types = TypeSection::new();
    types.ty().function([ValType::I32], [ValType::I32]);
    types.ty().function([ValType::I32, ValType::I32], [ValType::I32]);
    let (mut functions, mut code) = (FunctionSection::new(), CodeSection::new());
    functions.function(0).function(1);
    code.function(&constant(1024));
    code.function(&constant(0));
    let mut index = 2;
    while code.byte_len() < MEGABYTE {
        functions.function(0);
        code.function(&computing(index));
        index += 1;
    }
    let mut memories = MemorySection::new();
    memories.memory(MemoryType {
        minimum: 1,
        maximum: None,
        memory64: false,
        shared: false,
        page_size_log2: None,
    });
    let mut globals = GlobalSection::new();
    globals.global(
        GlobalType { val_type: ValType::I32, mutable: true, shared: false },
        &ConstExpr::i32_const(7),
    );
    let mut exports = ExportSection::new();
    exports.export("memory", ExportKind::Memory, 0);
    exports.export("alloc", ExportKind::Func, 0);
    exports.export("execute", ExportKind::Func, 1);
    exports.export("unused", ExportKind::Func, index - 1);
    let manifest = br#"{"name":"megabyte","version":"1.0.0"}"#;
    module
        .section(&types)
        .section(&functions)
        .section(&memories)
        .section(&globals)
        .section(&exports)
        .section(&code)
        .section(&CustomSection { name: "conductor:manifest".into(), data: manifest.as_slice().into() });
    module.finish()
}

fn constant(value: i32) -> Function {
    let mut function = Function::new([]);
    function.instructions().i32_const(value).end();
    function
}

/// A function that differs from all others, so that the compiler merges none.
fn computing(index: u32) -> Function {
    let mut function = Function::new([(2, ValType::I32)]);
    let mut code = function.instructions();
    let offset = wasm_encoder::MemArg { offset: u64::from(index % 1000) * 4, align: 2, memory_index: 0 };
    for step in 0..STEPS {
        let constant = (index.wrapping_mul(2_654_435_761) ^ step.wrapping_mul(40_503)).cast_signed();
        code.local_get(0).i32_const(constant).i32_add().local_tee(1).i32_const(0xfff).i32_and().local_set(2);
        match step % 5 {
            0 => code.local_get(2).local_get(1).i32_store(offset),
            1 => code.local_get(2).i32_load(offset).local_set(0),
            2 => code.global_get(0).local_get(1).i32_xor().global_set(0),
            3 => code.local_get(1).if_(wasm_encoder::BlockType::Empty).local_get(2).local_set(0).end(),
            _ => code.local_get(1).i32_const(3).i32_shl().local_get(0).i32_mul().local_set(0),
        };
    }
    if index > 2 {
        code.local_get(0).call(index - 1).local_set(0);
    }
    code.local_get(0).end();
    function
}

/// A plugin with the exports of every plugin, whose `execute` has this body.
pub(crate) fn executing(pages: u32, imports: &str, body: &str) -> Vec<u8> {
    let text = format!(
        r#"(module
            {imports}
            (memory (export "memory") {pages})
            (func (export "alloc") (param i32) (result i32) (i32.const 1024))
            (func (export "execute") (param i32 i32) (result i32) {body} (i32.const 0)))"#
    );
    wat::parse_str(text).expect("valid text")
}

/// A copy of a plugin under another name, which makes it another plugin.
pub(crate) fn renamed(plugin: &[u8], name: &str) -> Vec<u8> {
    let manifest = format!(r#"{{"name":"{name}","version":"1.0.0","capabilities":[{{"name":"Midi"}}]}}"#);
    let manifest = conductor_abi::Manifest::from_json(manifest.as_bytes()).expect("a manifest");
    conductor_signing::add_manifest(plugin, &manifest, true).expect("a module")
}
