//! The units of systemd in `deploy/systemd`: systemd takes them, and they fit the program, each other and the complete
//! configuration.

use std::fs;

use std::process::Command;
use std::time::Duration;

use integration::broker_process::program;
use integration::pki::Pki;
use integration::process;
use integration::wait;

const SERVICE: &str = include_str!("../../deploy/systemd/kerbridge.service");
const ROTATION: &str = include_str!("../../deploy/systemd/kerbridge-rotate.service");
const TIMER: &str = include_str!("../../deploy/systemd/kerbridge-rotate.timer");
const LISTS: &str = include_str!("../../deploy/systemd/kerbridge-crls.service");
const LISTS_TIMER: &str = include_str!("../../deploy/systemd/kerbridge-crls.timer");
const FETCH_LISTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/systemd/fetch-crls");
const USERS: &str = include_str!("../../deploy/systemd/kerbridge.sysusers.conf");
const CONFIGURATION: &str = include_str!("../../deploy/kerbridge.toml");

/// The section and the key of every setting of a unit, with its value; a line that is none fails.
fn settings(unit: &str) -> Vec<(&str, &str, &str)> {
    let mut section = "";
    let mut found = Vec::new();
    for line in unit.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name;
            continue;
        }
        let (key, value) = line.split_once('=').unwrap_or_else(|| panic!("no setting: {line}"));
        assert!(key.chars().all(|letter| letter.is_ascii_alphanumeric()), "no key: {line}");
        found.push((section, key, value));
    }
    found
}

/// The values of a key of the service's section.
fn values<'u>(unit: &'u str, wanted: &str) -> Vec<&'u str> {
    let of_service =
        settings(unit).into_iter().filter(|(section, key, _)| *section == "Service" && *key == wanted);
    of_service.map(|(_, _, value)| value).collect()
}

/// What the complete configuration names by a prefix, without what is commented out.
fn named(prefix: &str) -> Vec<&'static str> {
    let lines = CONFIGURATION.lines().filter(|line| !line.starts_with('#'));
    let mut names: Vec<_> =
        lines.filter_map(|line| line.split('"').find_map(|word| word.strip_prefix(prefix))).collect();
    names.sort_unstable();
    names.dedup();
    names
}

#[test]
fn the_units_run_commands_that_the_program_has() {
    for unit in [SERVICE, ROTATION] {
        let commands = [values(unit, "ExecStartPre"), values(unit, "ExecStart")].concat();
        assert!(!commands.is_empty());
        for command in commands {
            let mut words = command.split(' ');
            assert_eq!(words.next(), Some("/usr/local/bin/kerbridge"));
            let mut asked = Command::new(program().unwrap());
            // Everything is parsed before the help is given.
            asked.args(words).arg("--help");
            let helped = process::run(asked, b"", Duration::from_secs(20)).unwrap();
            assert!(helped.succeeded(), "{command}: {}", helped.error_text());
        }
    }
}

#[test]
fn the_units_give_every_secret_that_the_complete_configuration_names() {
    for unit in [SERVICE, ROTATION] {
        let mut loaded: Vec<_> = values(unit, "LoadCredential")
            .into_iter()
            .map(|value| value.split(':').next().unwrap())
            .collect();
        loaded.sort_unstable();
        assert_eq!(loaded, named("credential:"));
        assert_eq!(values(unit, "User"), ["kerbridge"]);
    }
    assert!(USERS.lines().any(|line| line.starts_with("u kerbridge - ")), "{USERS}");
    // What changes is in the one folder that the rotation may write, and the service may not.
    assert_eq!(named("/var/lib/kerbridge/"), ["keytab", "ldap-password"]);
    for unit in [SERVICE, ROTATION] {
        assert_eq!(values(unit, "ProtectSystem"), ["strict"]);
    }
    assert_eq!(
        (values(ROTATION, "StateDirectory"), values(SERVICE, "StateDirectory")),
        (vec!["kerbridge"], vec![])
    );
}

#[test]
fn a_rotation_is_started_again_where_that_can_help() {
    let never: Vec<_> =
        values(ROTATION, "RestartPreventExitStatus").concat().split(' ').map(str::to_owned).collect();
    assert_eq!(values(ROTATION, "Restart"), ["on-failure"]);
    for code in ["69", "75"] {
        assert!(!never.contains(&code.to_owned()), "{code} may mend itself");
    }
    for code in ["64", "77", "78"] {
        assert!(never.contains(&code.to_owned()), "{code} does not mend itself");
    }
    assert!(settings(TIMER).contains(&("Timer", "Persistent", "yes")));
}

#[test]
fn systemd_takes_the_units_without_a_word() {
    let folder = tempfile::tempdir().unwrap();
    let program = program().unwrap();
    let files = [
        ("kerbridge.service", SERVICE),
        ("kerbridge-rotate.service", ROTATION),
        ("kerbridge-rotate.timer", TIMER),
        ("kerbridge-crls.service", LISTS),
        ("kerbridge-crls.timer", LISTS_TIMER),
    ];
    let paths = files.map(|(name, text)| {
        let path = folder.path().join(name);
        // systemd looks whether the program is there.
        let text = text.replace("/usr/local/bin/kerbridge", program.to_str().unwrap());
        let text = text.replace("/usr/local/lib/kerbridge/fetch-crls", FETCH_LISTS);
        fs::write(&path, text.replace("Documentation=file:///usr/share/doc/kerbridge/README.md\n", ""))
            .unwrap();
        path
    });
    let mut verify = Command::new("systemd-analyze");
    verify.args(["verify", "--man=no", "--recursive-errors=no"]).args(&paths);
    let verified = process::run(verify, b"", Duration::from_secs(60)).unwrap();
    let said = format!("{}{}", verified.text(), verified.error_text());
    let of_ours =
        |line: &&str| line.contains("kerbridge") || line.contains(&*folder.path().to_string_lossy());
    let complaints: Vec<&str> = said.lines().filter(of_ours).collect();
    assert!(verified.succeeded() && complaints.is_empty(), "{said}");
}

#[test]
fn lists_are_fetched_whole_or_not_at_all_and_one_does_not_keep_the_others_back() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let pki = Pki::new(wait::now()).unwrap();
    let [root, issuing] = pki.crls(&[]).unwrap();
    let [_, ended] = pki.crls_until(wait::now() - Duration::from_secs(60), &[]).unwrap();
    fs::create_dir(file("crls")).unwrap();
    fs::write(file("crls/ended.crl"), b"before").unwrap();
    let sources =
        [("root", root.clone()), ("issuing", issuing), ("ended", ended), ("rubbish", "<html>".to_owned())];
    let mut lines = "# name and url\n\n../out.crl file:///etc/passwd\n".to_owned();
    for (name, list) in &sources {
        fs::write(file(name), list).unwrap();
        lines += &format!("{name}.crl file://{}\n", file(name).display());
    }
    lines += "absent.crl file:///absent\n";
    fs::write(file("list"), lines).unwrap();
    let mut fetch = Command::new(FETCH_LISTS);
    fetch.args([file("list"), file("crls")]);
    let fetched = process::run(fetch, b"", Duration::from_secs(60)).unwrap();
    let said = fetched.error_text();
    assert_eq!(fetched.code, Some(1), "{said}");
    let problems =
        ["../out.crl: not a plain", "ended.crl: has ended", "rubbish.crl: is no", "absent.crl: cannot be"];
    assert!(problems.iter().all(|problem| said.contains(problem)), "{said}");
    let there =
        fs::read_dir(file("crls")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut there: Vec<String> = there.collect();
    there.sort();
    assert_eq!(there, ["ended.crl", "issuing.crl", "root.crl"]);
    let text = |name: &str| fs::File::open(file(name)).and_then(std::io::read_to_string).unwrap();
    assert_eq!((text("crls/ended.crl").as_str(), text("crls/root.crl")), ("before", root));
}
