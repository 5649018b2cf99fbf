//! A GPU that is none: `tests/cuda`'s driver, which runs the kernels on the processor and breaks when
//! it is told to.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The folder that has the driver's library, built from its sources once. `None`, said aloud, where
/// there is no C++ compiler.
pub fn folder() -> Option<&'static Path> {
    static FOLDER: OnceLock<Option<PathBuf>> = OnceLock::new();
    FOLDER.get_or_init(build).as_deref()
}

fn build() -> Option<PathBuf> {
    let compiler = std::env::var("CXX").unwrap_or_else(|_| "c++".into());
    if !Command::new(&compiler).arg("--version").output().is_ok_and(|output| output.status.success()) {
        // Past the capture of the test harness, so that everybody sees it.
        let _ = writeln!(std::io::stderr(), "SKIPPED: tests of the GPU need a C++ compiler, and '{compiler}' is none");
        return None;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    // Test binaries may run side by side: each builds its own.
    let own = std::env::current_exe().ok().and_then(|path| Some(path.file_name()?.to_owned())).unwrap_or_default();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cuda").join(own);
    std::fs::create_dir_all(&folder).expect("a folder");
    let output = Command::new("sh").arg(root.join("tests/cuda/build.sh")).arg(&folder).output().expect("a shell");
    assert!(output.status.success(), "the driver is not built: {}", String::from_utf8_lossy(&output.stderr));
    Some(folder)
}

/// Loads the driver into this process, where it is found by name from then on.
pub fn load() -> bool {
    static LIBRARY: OnceLock<Option<libloading::Library>> = OnceLock::new();
    let load = || {
        // SAFETY: our own library, whose initialisers only set up tables.
        #[allow(unsafe_code, reason = "the only way to load a library")]
        let library = unsafe { libloading::Library::new(folder()?.join("libcuda.so.1")) };
        Some(library.expect("it loads"))
    };
    LIBRARY.get_or_init(load).is_some()
}
