//! The oracle for the fuzz target `policy_file` in `broker/fuzz`. It must return for any input.

use super::{Policy, PolicyFile, Settings};

/// Compiles a file of policies. True where it is one without a problem.
pub fn policy_file(input: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(input) else { return false };
    let files = vec![PolicyFile { name: "fuzzed.cedar".to_owned(), text: text.to_owned() }];
    let (gateways, realms) = (vec!["gw1".to_owned()], vec!["BETA.EXAMPLE".to_owned()]);
    Policy::compile(&Settings { files, gateways, realms, ..Settings::default() }).is_ok()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test that reads files of the repository")]
    fn of_the_policy_seeds_only_the_sound_ones_are_compiled() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds/policy_file");
        let mut good = Vec::new();
        for file in std::fs::read_dir(folder).expect("the folder of seeds") {
            let file = file.expect("a seed");
            if policy_file(&std::fs::read(file.path()).expect("a readable seed")) {
                good.push(file.file_name().into_string().expect("an ASCII name"));
            }
        }
        good.sort();
        assert_eq!(good, ["clauses", "nothing", "obligations", "scopes"]);
    }
}
