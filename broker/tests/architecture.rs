//! Who may import whom, read from the sources: what stands right of a step is not seen by it, and what belongs behind one door
//! is named behind no other. Test code may look anywhere.
#![expect(clippy::disallowed_methods, reason = "a test reads files")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The steps, from the left to the right.
const STEPS: [&str; 5] = ["identity", "directory", "policy", "tickets", "handoff"];

/// Rooms of this crate that are no steps and still may be read by some: who reads what, itself and the steps aside.
const READERS: [(&str, &[&str]); 2] = [("error", &[]), ("pipeline", &["error"])];

/// One source file without its tests and comments.
struct Source {
    /// Below `src`.
    path: PathBuf,
    /// `["identity", "path", "judge"]` for `src/identity/path/judge.rs`.
    module: Vec<String>,
    text: String,
}

impl Source {
    fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// The rooms of the crate's root that the file names, through `crate::` or by enough `super::`.
    fn rooms(&self) -> BTreeSet<String> {
        let up = "super::".repeat(self.module.len());
        let deeper = format!("super::{up}");
        let named = heads_after(&self.text, "crate::").into_iter().chain(heads_after(&self.text, &up));
        assert!(!self.text.contains(&deeper), "{} climbs above its crate", self.name());
        named.collect()
    }
}

fn sources(krate: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(krate).join("src");
    let mut found = Vec::new();
    collect(&root, &root, &mut found);
    assert!(found.len() > 10, "{krate} has more files than that");
    found
}

fn collect(root: &Path, directory: &Path, found: &mut Vec<Source>) {
    for entry in fs::read_dir(directory).expect("the sources can be listed") {
        let path = entry.expect("the sources can be listed").path();
        let stem = path.file_stem().and_then(|stem| stem.to_str()).expect("names are UTF-8").to_owned();
        if matches!(stem.as_str(), "tests" | "testing" | "fuzzing" | "generated") {
            continue;
        }
        if path.is_dir() {
            collect(root, &path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let below = path.strip_prefix(root).expect("it lies below").with_extension("");
            let parts = below.components().map(|part| part.as_os_str().to_string_lossy().into_owned());
            let module = parts.filter(|part| part != "mod").collect();
            let text = production(&fs::read_to_string(&path).expect("a source can be read"));
            found.push(Source { path: below.with_extension("rs"), module, text });
        }
    }
}

/// The text up to its first module of tests, without comments.
fn production(text: &str) -> String {
    let mut kept = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let opens = lines.peek().is_some_and(|next| next.contains("mod ") && next.ends_with('{'));
        if line.starts_with("#[cfg(") && line.contains("test") && opens {
            break;
        }
        if !line.trim_start().starts_with("//") {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

/// The first names of all paths that begin with `prefix`, those in braces included.
fn heads_after(text: &str, prefix: &str) -> Vec<String> {
    let begins = |at: usize| {
        let before = text.get(..at).and_then(|before| before.chars().next_back());
        before.is_none_or(|letter| !letter.is_alphanumeric() && letter != '_' && letter != ':')
    };
    let after = text.match_indices(prefix).filter(|(at, _)| begins(*at));
    after.filter_map(|(at, _)| text.get(at + prefix.len()..)).flat_map(heads).collect()
}

/// `a` of `a::b`, and `a` and `b` of `{a::{c, d}, b}`.
fn heads(rest: &str) -> Vec<String> {
    let name = |text: &str| -> String {
        text.trim_start().chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect()
    };
    let Some(inside) = rest.strip_prefix('{') else { return vec![name(rest)] };
    let (mut depth, mut start, mut found) = (0_u32, 0, Vec::new());
    for (at, letter) in inside.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                found.extend(inside.get(start..at).map(name).filter(|name| !name.is_empty()));
                start = at + 1;
                if letter == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    found
}

/// Files of `krate` outside of `door` that name `word`.
fn strangers(krate: &str, word: &str, door: impl Fn(&Path) -> bool) -> Vec<String> {
    let names = |source: &&Source| source.text.contains(word) && !door(&source.path);
    sources(krate).iter().filter(names).map(Source::name).collect()
}

const NONE: [String; 0] = [];

#[test]
fn a_step_sees_only_what_stands_left_of_it() {
    for source in sources("broker") {
        let room = source.module.first().cloned().unwrap_or_default();
        let Some(place) = STEPS.iter().position(|step| *step == room) else { continue };
        let allowed: BTreeSet<_> = STEPS.iter().take(place + 1).map(|step| (*step).to_owned()).collect();
        let seen = source.rooms();
        assert!(seen.is_subset(&allowed), "{} sees {:?}", source.name(), seen.difference(&allowed));
    }
}

#[test]
fn errors_and_the_pipeline_see_the_steps_and_nothing_that_wires_them() {
    for (room, more) in READERS {
        let allowed: BTreeSet<_> =
            STEPS.iter().chain(more).chain([&room]).map(|room| (*room).to_owned()).collect();
        let files: Vec<_> = sources("broker").into_iter().filter(|source| source.module[0] == room).collect();
        assert!(!files.is_empty(), "{room} is there");
        for source in files {
            let seen = source.rooms();
            assert!(seen.is_subset(&allowed), "{} sees {:?}", source.name(), seen.difference(&allowed));
        }
    }
}

#[test]
fn only_the_wiring_sees_the_configuration_and_the_frontend() {
    let wiring = ["app", "command", "config", "frontend", "reload", "service", "main", "lib"];
    for source in sources("broker").iter().filter(|source| !wiring.contains(&source.module[0].as_str())) {
        let seen = source.rooms();
        assert!(!seen.contains("config") && !seen.contains("frontend"), "{} sees {seen:?}", source.name());
    }
}

#[test]
fn an_account_of_the_directory_becomes_a_principal_in_one_place() {
    let subject = |path: &Path| path == Path::new("tickets/subject.rs");
    assert_eq!(strangers("broker", "Principal::new(", subject), NONE);
    let own_account = |path: &Path| path == Path::new("config/load/kerberos.rs") || subject(path);
    assert_eq!(strangers("broker", "PrincipalName::principal", own_account), NONE);
}

#[test]
fn kerberos_crypto_is_named_in_key_rs_only() {
    let key = |path: &Path| path == Path::new("key.rs");
    assert_eq!(strangers("kdc-proxy", "kerberos_crypto::", key), NONE);
    for krate in ["broker", "ldap-map", "integration"] {
        assert_eq!(strangers(krate, "kerberos_crypto::", |_| false), NONE);
    }
}

#[test]
fn rasn_is_named_in_the_messages_only() {
    let message = |path: &Path| path.starts_with("message");
    assert_eq!(strangers("kdc-proxy", "rasn::", message), NONE);
}

#[test]
fn what_only_tests_compare_with_is_named_in_no_production_code() {
    for krate in ["broker", "kdc-proxy", "ldap-map"] {
        for oracle in ["kerberos_asn1::", "ldap3::"] {
            assert_eq!(strangers(krate, oracle, |_| false), NONE, "{oracle} in {krate}");
        }
    }
}

#[test]
fn the_libraries_see_neither_each_other_nor_the_broker() {
    for (krate, others) in
        [("kdc-proxy", ["ldap_map::", "broker::"]), ("ldap-map", ["kdc_proxy::", "broker::"])]
    {
        for other in others {
            assert_eq!(strangers(krate, other, |_| false), NONE, "{other} in {krate}");
        }
    }
}

#[test]
fn the_pure_parts_of_the_libraries_do_not_see_their_sockets() {
    for krate in ["kdc-proxy", "ldap-map"] {
        let outside = sources(krate)
            .into_iter()
            .filter(|source| source.module[0] != "net" && source.module[0] != "lib");
        for source in outside {
            assert!(!source.rooms().contains("net"), "{krate}: {} sees net", source.name());
            assert!(!source.text.contains("tokio::"), "{krate}: {} names tokio", source.name());
        }
    }
}

#[test]
fn main_is_eighty_lines_or_less() {
    let main = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/main.rs"));
    assert!(main.expect("main.rs can be read").lines().count() <= 80);
}

#[test]
fn names_are_found_in_paths_braces_and_climbs() {
    let text = "use crate::policy::Grant;\nuse crate::{\n    config::{Config, Log},\n    error,\n    frontend::{a::{b}, c},\n};\n";
    assert_eq!(heads_after(text, "crate::"), ["policy", "config", "error", "frontend"]);
    let module = ["identity", "path"].map(str::to_owned).to_vec();
    let text = production(
        "use super::super::config;\nuse super::error;\n// crate::app\n#[cfg(test)]\nmod tests {\nuse crate::app;\n}\n",
    );
    let source = Source { path: PathBuf::new(), module, text };
    assert_eq!(source.rooms(), BTreeSet::from(["config".to_owned()]));
    assert!(heads_after("other_crate::config", "crate::").is_empty());
}
