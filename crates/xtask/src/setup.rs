//! `cargo xtask setup`: installs what building and testing need. It says what and why before it does.
//!
//! Everything is looked for by what it provides (a program, a library, a file), not by its package, so that a machine
//! that has it from another source is left alone. If nothing is missing, nothing is printed.

use std::path::{Path, PathBuf};

use crate::error::TaskError;
use crate::guests;
use crate::places::Places;
use crate::program::Program;

/// The user that test programs run as again, if the tests run as root.
pub(crate) const ORDINARY_USER: &str = "conductor-test";

/// A subcommand of cargo that one task needs.
struct CargoTool {
    name: &'static str,
    /// The version that the task is written for.
    version: &'static str,
    /// Why the tool is needed.
    reason: &'static str,
}

const CARGO_DENY: CargoTool =
    CargoTool { name: "cargo-deny", version: "0.20.2", reason: "checks the dependencies" };

const CARGO_MUTANTS: CargoTool = CargoTool {
    name: "cargo-mutants",
    version: "27.1.0",
    reason: "changes code in one place after the other, for `cargo xtask mutants` alone",
};

/// What the set-up is for. Each purpose includes those before it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Purpose {
    /// Building the workspace and the plugins.
    Build,
    /// Measuring as well.
    Bench,
    /// Running every test and check as well.
    Test,
}

/// Whether the machine was changed.
#[derive(PartialEq, Eq)]
pub(crate) enum Changed {
    /// Nothing was missing.
    Nothing,
    /// Something was installed.
    Something,
}

/// A package of the operating system.
struct Package {
    /// Name in Debian and its relatives.
    debian: &'static str,
    /// How to see that the package is installed.
    found_by: FoundBy,
    /// The first purpose that needs the package.
    purpose: Purpose,
    /// Why the package is needed.
    reason: &'static str,
}

/// How to see that something is installed.
enum FoundBy {
    /// A program in `PATH`.
    Program(&'static str),
    /// A library that pkg-config knows.
    Library(&'static str),
    /// A file.
    File(&'static str),
    /// The compiler runtime of clang for WebAssembly, wherever the installed version keeps it.
    ClangRuntime,
}

/// Every package of the operating system that is needed. A new package is one more entry.
const PACKAGES: [Package; 31] = [
    Package {
        debian: "pkg-config",
        found_by: FoundBy::Program("pkg-config"),
        purpose: Purpose::Build,
        reason: "finds ALSA and JACK while the daemon is built",
    },
    Package {
        debian: "libasound2-dev",
        found_by: FoundBy::Library("alsa"),
        purpose: Purpose::Build,
        reason: "ALSA, through which the daemon reaches MIDI ports",
    },
    Package {
        debian: "libjack-jackd2-dev",
        found_by: FoundBy::Library("jack"),
        purpose: Purpose::Build,
        reason: "JACK, whose bindings look for it while they are built",
    },
    Package {
        debian: "clang",
        found_by: FoundBy::Program("clang"),
        purpose: Purpose::Test,
        reason: "compiles the test plugin that is written in C",
    },
    Package {
        debian: "g++",
        found_by: FoundBy::Program("c++"),
        purpose: Purpose::Test,
        reason: "compiles libFuzzer, which the fuzz targets are linked with",
    },
    Package {
        debian: "lld",
        found_by: FoundBy::Program("wasm-ld"),
        purpose: Purpose::Test,
        reason: "links the test plugin that is written in C",
    },
    Package {
        debian: "wasi-libc",
        found_by: FoundBy::File("/usr/lib/wasm32-wasi/libc.a"),
        purpose: Purpose::Test,
        reason: "C library of the test plugin that is written in C",
    },
    Package {
        debian: "libclang-rt-dev-wasm32",
        found_by: FoundBy::ClangRuntime,
        purpose: Purpose::Test,
        reason: "compiler runtime of the test plugin that is written in C",
    },
    Package {
        debian: "jackd2",
        found_by: FoundBy::Program("jackd"),
        purpose: Purpose::Test,
        reason: "JACK server whose dummy driver carries MIDI in a test",
    },
    Package {
        debian: "liblo-tools",
        found_by: FoundBy::Program("oscsend"),
        purpose: Purpose::Test,
        reason: "oscsend, which a test plays an OSC controller with",
    },
    Package {
        debian: "softhsm2",
        found_by: FoundBy::Program("softhsm2-util"),
        purpose: Purpose::Test,
        reason: "PKCS#11 module with a token in files, on which tests keep keys",
    },
    Package {
        debian: "iproute2",
        found_by: FoundBy::Program("ip"),
        purpose: Purpose::Test,
        reason: "ip, with which tests lay networks in namespaces of their own",
    },
    Package {
        debian: "util-linux",
        found_by: FoundBy::Program("unshare"),
        purpose: Purpose::Test,
        reason: "unshare, which makes those namespaces without a privilege",
    },
    Package {
        debian: "openssh-client",
        found_by: FoundBy::Program("ssh-agent"),
        purpose: Purpose::Test,
        reason: "ssh-agent, in which tests keep keys",
    },
    Package {
        debian: "openssl",
        found_by: FoundBy::Program("openssl"),
        purpose: Purpose::Bench,
        reason: "hashes what is measured, and reads and writes encrypted keys in a test",
    },
    Package {
        debian: "bsdutils",
        found_by: FoundBy::Program("script"),
        purpose: Purpose::Test,
        reason: "script, the terminal of tests in which somebody is asked for a passphrase",
    },
    Package {
        debian: "dbus-daemon",
        found_by: FoundBy::Program("dbus-daemon"),
        purpose: Purpose::Test,
        reason: "bus of a desktop that tests play",
    },
    Package {
        debian: "gnome-keyring",
        found_by: FoundBy::Program("gnome-keyring-daemon"),
        purpose: Purpose::Test,
        reason: "Secret Service in which a test keeps secrets",
    },
    Package {
        debian: "pipewire",
        found_by: FoundBy::Program("pipewire"),
        purpose: Purpose::Test,
        reason: "sound server that tests play on",
    },
    Package {
        debian: "pipewire-bin",
        found_by: FoundBy::Program("pw-record"),
        purpose: Purpose::Test,
        reason: "records what the sound server plays",
    },
    Package {
        debian: "pipewire-alsa",
        found_by: FoundBy::File("/usr/share/alsa/alsa.conf.d/50-pipewire.conf"),
        purpose: Purpose::Test,
        reason: "leads what plugins play to PipeWire",
    },
    Package {
        debian: "wireplumber",
        found_by: FoundBy::Program("wpctl"),
        purpose: Purpose::Test,
        reason: "keeps the volume of PipeWire's outputs",
    },
    Package {
        debian: "mpv",
        found_by: FoundBy::Program("mpv"),
        purpose: Purpose::Test,
        reason: "media player whose keys a test presses",
    },
    Package {
        debian: "mpv-mpris",
        found_by: FoundBy::File("/usr/lib/mpv-mpris/mpris.so"),
        purpose: Purpose::Test,
        reason: "makes mpv listen to media keys",
    },
    Package {
        debian: "dunst",
        found_by: FoundBy::Program("dunst"),
        purpose: Purpose::Test,
        reason: "shows the notifications of a test",
    },
    Package {
        debian: "xvfb",
        found_by: FoundBy::Program("Xvfb"),
        purpose: Purpose::Test,
        reason: "display that nobody sees, for dunst",
    },
    Package {
        debian: "xdg-utils",
        found_by: FoundBy::Program("xdg-open"),
        purpose: Purpose::Test,
        reason: "opens pages in the browser that a test plays",
    },
    Package {
        debian: "chromium",
        found_by: FoundBy::Program("chromium"),
        purpose: Purpose::Test,
        reason: "browser in which the Plugin Manager's page is tested",
    },
    Package {
        debian: "nodejs",
        found_by: FoundBy::Program("node"),
        purpose: Purpose::Test,
        reason: "runs the tests of the Plugin Manager's page",
    },
    Package {
        debian: "npm",
        found_by: FoundBy::Program("npm"),
        purpose: Purpose::Test,
        reason: "brings what drives the browser in tests",
    },
    Package {
        debian: "fonts-inter",
        found_by: FoundBy::File("/usr/share/doc/fonts-inter/copyright"),
        purpose: Purpose::Test,
        reason: "letters of the page in the manual's pictures",
    },
];

/// Installs what is missing for `purpose`.
///
/// # Errors
///
/// Fails if something is missing that the task cannot install. The error names the command or package that provides it.
pub(crate) fn run(places: &Places, purpose: Purpose) -> Result<Changed, TaskError> {
    let packages = packages(places, purpose)?;
    let rust = rust(places, purpose)?;
    let tools = if purpose == Purpose::Test { CARGO_DENY.install(places)? } else { Changed::Nothing };
    let user = if purpose == Purpose::Test { ordinary_user(places)? } else { Changed::Nothing };
    let all = [packages, rust, tools, user];
    Ok(if all.contains(&Changed::Something) { Changed::Something } else { Changed::Nothing })
}

/// The program cargo-deny, which [`run`] has installed.
pub(crate) fn cargo_deny_path(places: &Places) -> PathBuf {
    CARGO_DENY.path(places)
}

/// Installs cargo-mutants if it is not there, and says where it is. No other task needs it.
pub(crate) fn cargo_mutants(places: &Places) -> Result<PathBuf, TaskError> {
    CARGO_MUTANTS.install(places)?;
    Ok(CARGO_MUTANTS.path(places))
}

fn packages(places: &Places, purpose: Purpose) -> Result<Changed, TaskError> {
    let missing = missing_packages(places, purpose);
    if missing.is_empty() {
        return Ok(Changed::Nothing);
    }
    let names: Vec<&str> = missing.iter().map(|package| package.debian).collect();
    let list: String =
        missing.iter().map(|package| format!("\n  {:<24}{}", package.debian, package.reason)).collect();
    if !places.has_program("apt-get") {
        let advice =
            "install the packages of these names, or what your system calls them, and run this again";
        return Err(TaskError::Missing { missing: list, advice: advice.to_owned() });
    }
    let Some(prefix) = as_root(places) else {
        let advice = format!("run: sudo apt-get install --no-install-recommends {}", names.join(" "));
        return Err(TaskError::Missing { missing: list, advice });
    };
    println!("Installing packages of the operating system:{list}");
    apt_get(places, &prefix, &["update", "-qq"])?;
    let mut arguments = vec!["install", "-y", "-qq", "--no-install-recommends"];
    arguments.extend(&names);
    apt_get(places, &prefix, &arguments)?;
    let left = missing_packages(places, purpose);
    if left.is_empty() {
        return Ok(Changed::Something);
    }
    let names: Vec<&str> = left.iter().map(|package| package.debian).collect();
    Err(TaskError::StillMissing { missing: names.join(", ") })
}

fn missing_packages(places: &Places, purpose: Purpose) -> Vec<&'static Package> {
    let needed = PACKAGES.iter().filter(|package| package.purpose <= purpose);
    needed.filter(|package| !is_found(places, &package.found_by)).collect()
}

fn is_found(places: &Places, found_by: &FoundBy) -> bool {
    match found_by {
        FoundBy::Program(name) => places.has_program(name),
        FoundBy::File(path) => Path::new(path).is_file(),
        FoundBy::Library(name) => {
            Program::new("pkg-config", &places.root).args(["--exists", name]).answer().is_some()
        }
        FoundBy::ClangRuntime => {
            let question = ["--target=wasm32-wasi", "-print-libgcc-file-name"];
            let answer = Program::new("clang", &places.root).args(question).answer();
            answer.is_some_and(|path| Path::new(path.trim()).is_file())
        }
    }
}

/// How to run a program as root without a password prompt: without a prefix, with `sudo -n`, or not at all.
fn as_root(places: &Places) -> Option<Vec<&'static str>> {
    if Program::new("id", &places.root).args(["-u"]).answer().is_some_and(|uid| uid.trim() == "0") {
        return Some(vec![]);
    }
    Program::new("sudo", &places.root).args(["-n", "true"]).answer().map(|_| vec!["sudo", "-n"])
}

fn apt_get(places: &Places, prefix: &[&str], arguments: &[&str]) -> Result<(), TaskError> {
    // `env` passes the variable through sudo. The system's own updates may hold the lock for a while.
    let fixed = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-o", "DPkg::Lock::Timeout=300"];
    let mut words = prefix.iter().chain(&fixed).chain(arguments);
    let Some(program) = words.next() else { return Ok(()) };
    Program::new(program, &places.root).args(words).show_and_run()
}

/// Installs the compiler target of plugins and, for tests, the formatter and the linter. The toolchain itself is never
/// changed.
fn rust(places: &Places, purpose: Purpose) -> Result<Changed, TaskError> {
    let mut rustc = Program::new("rustc", &places.root).args(["--print", "sysroot"]);
    let sysroot = PathBuf::from(rustc.stdout()?.trim());
    let mut missing: Vec<(&[&str], &str)> = Vec::new();
    if !sysroot.join("lib/rustlib").join(guests::TARGET).is_dir() {
        missing.push((&["target", "add", guests::TARGET], "standard library of plugins"));
    }
    if purpose == Purpose::Test && !sysroot.join("bin/rustfmt").is_file() {
        missing.push((&["component", "add", "rustfmt"], "checks the format of the sources"));
    }
    if purpose == Purpose::Test && !sysroot.join("bin/cargo-clippy").is_file() {
        missing.push((&["component", "add", "clippy"], "checks the sources"));
    }
    if missing.is_empty() {
        return Ok(Changed::Nothing);
    }
    if !places.has_program("rustup") {
        let list =
            missing.iter().map(|(words, reason)| format!("\n  {}: {reason}", words.join(" "))).collect();
        let advice = "this toolchain has no rustup; add what is named with the packages of your system";
        return Err(TaskError::Missing { missing: list, advice: advice.to_owned() });
    }
    for (words, reason) in missing {
        println!("Adding to the Rust toolchain: {} ({reason})", words.join(" "));
        Program::new("rustup", &places.root).args(words).show_and_run()?;
    }
    Ok(Changed::Something)
}

/// Creates the user that test programs run as again.
fn ordinary_user(places: &Places) -> Result<Changed, TaskError> {
    let exists = Program::new("id", &places.root).args([ORDINARY_USER]).answer().is_some();
    if exists || !rustix::process::geteuid().is_root() {
        return Ok(Changed::Nothing);
    }
    println!("Making the user {}: tests that root would pass run again as somebody else", ORDINARY_USER);
    Program::new("useradd", &places.root)
        .args(["--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", ORDINARY_USER])
        .show_and_run()?;
    Ok(Changed::Something)
}

impl CargoTool {
    /// The tool's own directory: outside of the workspace and of the user's programs, one for each version.
    fn home(&self, places: &Places) -> PathBuf {
        places.tools.join(format!("{}-{}", self.name, self.version))
    }

    fn path(&self, places: &Places) -> PathBuf {
        self.home(places).join("bin").join(self.name)
    }

    fn install(&self, places: &Places) -> Result<Changed, TaskError> {
        if self.path(places).is_file() {
            return Ok(Changed::Nothing);
        }
        let home = self.home(places);
        println!("Building {} {} into {}: it {}", self.name, self.version, home.display(), self.reason);
        let scratch = tempfile::tempdir()
            .map_err(|source| TaskError::File { path: "temporary directory".into(), source })?;
        Program::cargo(&places.root)
            .args(["install", "--quiet", self.name, "--locked", "--version"])
            .args([format!("={}", self.version).as_str()])
            .args([Path::new("--root"), &home, Path::new("--target-dir"), scratch.path()])
            // Such a tool computes little itself, so optimising it would cost more time than it saves.
            .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1")
            .env("CARGO_PROFILE_RELEASE_LTO", "off")
            .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
            .show_and_run()?;
        Ok(Changed::Something)
    }
}
