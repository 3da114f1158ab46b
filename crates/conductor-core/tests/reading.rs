//! How much of a file is read.

use conductor_signing::UnverifiedPlugin;

#[test]
fn reading_stops_at_the_limit_of_the_plugin_not_of_the_host() {
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("small.wasm");
    std::fs::write(&path, [0; 101]).expect("written");
    assert!(UnverifiedPlugin::read(&path, 100).is_err());
    assert!(UnverifiedPlugin::read(&path, 101).is_ok());
}
