//! Modules built section by section, whole and in pieces.

use super::*;

fn leb(mut value: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

fn section(id: u8, content: &[u8]) -> Vec<u8> {
    [&[id][..], &leb(content.len() as u32), content].concat()
}

fn custom(name: &str, content: &[u8]) -> Vec<u8> {
    section(CUSTOM, &[&leb(name.len() as u32), name.as_bytes(), content].concat())
}

fn module(sections: &[Vec<u8>]) -> Vec<u8> {
    [MODULE_HEADER.to_vec(), sections.concat()].concat()
}

#[test]
fn the_section_is_found_wherever_it_stands() {
    let code = section(10, &[0; 300]);
    let other = custom("conductor:manifesto", b"no");
    let close = custom("conductor:manifesT", b"no");
    let manifest = custom(MANIFEST_SECTION, b"{}");
    for sections in [
        vec![manifest.clone()],
        vec![code.clone(), other.clone(), manifest.clone()],
        vec![close, manifest.clone(), section(11, &[]), other.clone()],
    ] {
        let wasm = module(&sections);
        assert_eq!(manifest_section(&wasm), Ok(Some(b"{}".to_vec())));
        let found = scan(&wasm).expect("a module").expect("a section");
        assert_eq!(wasm[found.start as usize..found.end as usize], manifest);
        for size in 1..wasm.len() {
            let mut pieces = ModuleScan::default();
            wasm.chunks(size).for_each(|piece| pieces.update(piece));
            assert_eq!(pieces.finish(), Ok(Some(found.clone())), "pieces of {size}");
        }
    }
    assert_eq!(manifest_section(&module(&[code, other])), Ok(None));
    assert_eq!(manifest_section(&module(&[])), Ok(None));
}

#[test]
fn a_second_manifest_is_refused() {
    let manifest = custom(MANIFEST_SECTION, b"{}");
    assert_eq!(manifest_section(&module(&[manifest.clone(), manifest])), Err(ModuleError::DuplicateManifest));
}

#[test]
fn a_manifest_that_is_too_large_is_refused_before_it_is_copied() {
    let fits = custom(MANIFEST_SECTION, &vec![b' '; MAX_MANIFEST_BYTES]);
    assert!(manifest_section(&module(&[fits])).is_ok());
    let large = custom(MANIFEST_SECTION, &vec![b' '; MAX_MANIFEST_BYTES + 1]);
    let error = ModuleError::ManifestTooLarge { bytes: MAX_MANIFEST_BYTES as u32 + 1 };
    assert_eq!(manifest_section(&module(&[large])), Err(error));
}

#[test]
fn a_module_cut_short_is_refused_at_every_length() {
    let parts = [section(1, &[0]), custom(MANIFEST_SECTION, b"{}"), section(10, &[0; 200])];
    let wasm = module(&parts);
    let mut ends = vec![MODULE_HEADER.len()];
    for part in &parts {
        ends.push(ends[ends.len() - 1] + part.len());
    }
    for length in 0..wasm.len() {
        let result = manifest_section(&wasm[..length]);
        if ends.contains(&length) {
            assert!(result.is_ok(), "{length}");
        } else {
            assert!(result.as_ref().is_err_and(ModuleError::is_about_module), "{length}: {result:?}");
        }
    }
}

#[test]
fn lengths_that_do_not_fit_are_refused() {
    for sections in [
        vec![vec![1, 0xff, 0xff, 0xff, 0xff, 0x1f]],
        vec![vec![1, 0x80, 0x80, 0x80, 0x80, 0x80, 0]],
        vec![vec![CUSTOM, 0, 1]],
        vec![vec![CUSTOM, 1, 1]],
        vec![section(CUSTOM, &[200, 1, b'x'])],
    ] {
        let result = manifest_section(&module(&sections));
        assert!(result.as_ref().is_err_and(ModuleError::is_about_module), "{sections:?}: {result:?}");
    }
    // A length may be padded to five bytes.
    assert_eq!(manifest_section(&module(&[vec![1, 0x81, 0x80, 0x80, 0x80, 0, 7]])), Ok(None));
}

#[test]
fn a_file_of_empty_sections_is_given_up_on() {
    let sections = vec![section(1, &[]); MAX_SECTIONS as usize];
    assert_eq!(manifest_section(&module(&sections)), Ok(None));
    assert_eq!(
        manifest_section(&module(&[sections, vec![section(1, &[])]].concat())),
        Err(ModuleError::TooManySections)
    );
}

#[test]
fn other_files_are_called_by_name() {
    let mut precompiled = b"\x7fELF\x02\x01\x01\0".to_vec();
    precompiled[7] = 200;
    for (bytes, kind) in [
        (&b""[..], FileKind::Empty),
        (b"x", FileKind::Other),
        (b"(module)", FileKind::Text),
        (b"\n  (module (func))", FileKind::Text),
        (b";; text\n(module)", FileKind::Text),
        (b"\0asm\x0d\0\x01\0", FileKind::Component),
        (b"\0asm\x02\0\0\0", FileKind::OtherVersion),
        (b"\0asm\x01", FileKind::OtherVersion),
        (b"\x7fELF\x02\x01\x01\0...", FileKind::Elf),
        (&precompiled, FileKind::Precompiled),
        (&[0; 1000], FileKind::Other),
    ] {
        assert_eq!(manifest_section(bytes), Err(ModuleError::NotModule { found: kind }), "{bytes:?}");
    }
}

#[test]
fn members_of_a_manifest_occur_once() {
    let twice = br#"{"name":"a","version":"1","actions":[{"name":"x","parameters":{"p":1,"p":2}}]}"#;
    assert_eq!(parse_manifest(twice), Err(FormatError::Duplicate { member: "p".into() }.into()));
    assert!(parse_manifest(br#"{"name":"a","version":"1"}"#).is_ok());
    assert!(matches!(parse_manifest(b""), Err(ModuleError::Manifest(_))));
}
