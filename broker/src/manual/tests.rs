mod administrator_errors;
mod revocation;

use std::{collections::BTreeSet, fs, path::Path};

/// The names of all test functions below a folder.
#[expect(clippy::disallowed_methods, reason = "a test may block")]
fn tests_below(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") {
            tests_below(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let mut lines = text.lines().map(str::trim);
            while let Some(line) = lines.next() {
                if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
                    // Further attributes may stand between.
                    let function = lines.by_ref().find(|line| line.contains("fn ")).unwrap();
                    let name = function.split("fn ").nth(1).unwrap().split(['(', '<']).next().unwrap();
                    found.insert(name.to_owned());
                }
            }
        }
    }
}

#[test]
fn every_test_of_the_table_of_known_attacks_exists() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut existing = BTreeSet::new();
    for crate_folder in ["broker", "kdc-proxy", "ldap-map", "integration"] {
        tests_below(&workspace.join(crate_folder), &mut existing);
    }
    let table = include_str!("known_attacks.md");
    let rows: Vec<&str> =
        table.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| Attack")).collect();
    assert!(rows.len() > 30);
    for row in rows {
        let tried_by = row.trim_end_matches('|').rsplit('|').next().unwrap();
        let names: Vec<&str> = tried_by.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "nothing tries it: {row}");
        for name in names {
            assert!(existing.contains(name), "there is no test {name}: {row}");
        }
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test may block")]
fn every_decision_is_part_of_the_manual() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/manual");
    let manual = fs::read_to_string(folder.join("mod.rs")).unwrap();
    for entry in fs::read_dir(folder.join("decisions")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(manual.contains(&format!("decisions/{name}")), "{name} is not in the manual");
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test may block")]
fn every_security_event_is_explained_to_the_administrator() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md")).unwrap();
    for code in crate::error::Code::ALL.iter().filter(|code| code.is_security_event()) {
        assert!(readme.contains(&format!("`{code}`")), "README.md does not explain {code}");
    }
}
