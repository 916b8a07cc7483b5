//! The oracle for the fuzz target `pending` in `broker/fuzz`. It must return for any input.

use super::Pending;

/// The account of the seeds.
pub const ACCOUNT: &str = "svc-broker@CORP.EXAMPLE";

/// Reads a pending secret. True where it is one; what is read is then written, and read as the same again.
///
/// # Panics
/// Where what is written is read as something else.
pub fn pending(input: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(input) else { return false };
    let Ok(pending) = Pending::parse(text, ACCOUNT) else { return false };
    assert!(
        Pending::parse(&pending.to_text(), ACCOUNT).as_ref() == Ok(&pending),
        "it is not read as it was written"
    );
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The seeds, by name; `KERBRIDGE_WRITE_SEEDS=1` writes them.
    fn seeds() -> Vec<(&'static str, Vec<u8>)> {
        let of = |directories: &[&str]| {
            let pending = Pending {
                account: ACCOUNT.to_owned(),
                password: zeroize::Zeroizing::new("n3xt-Passw0rd_of-the-seeds".to_owned()),
                directories: directories.iter().map(Into::into).collect(),
                attempted: std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_800_000_000),
            };
            pending.to_text().to_string()
        };
        let whole = of(&["/var/lib/kerbridge/ldap-password", "/var/lib/kerbridge/beta password"]);
        let damaged = |from: &str, to: &str| whole.replace(from, to).into_bytes();
        vec![
            ("keytab-alone", of(&[]).into_bytes()),
            ("two-directories", whole.clone().into_bytes()),
            ("carriage-returns", damaged("\n", "\r\n")),
            ("other-account", damaged("svc-broker", "svc-other")),
            ("other-version", damaged("secret 1", "secret 2")),
            ("long-ago", damaged("1800000000", "18446744073709551615")),
            ("no-password", damaged("n3xt-Passw0rd_of-the-seeds", "")),
            ("control-in-path", damaged("beta password", "beta\rpassword")),
            ("cut-off", whole.as_bytes().get(..60).unwrap_or_default().to_vec()),
            ("not-text", vec![0xff; 40]),
            ("nothing", Vec::new()),
        ]
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test that reads files of the repository")]
    fn of_the_pending_seeds_only_the_whole_ones_of_the_account_are_read() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds/pending");
        if std::env::var_os("KERBRIDGE_WRITE_SEEDS").is_some() {
            std::fs::create_dir_all(&folder).unwrap();
            seeds().into_iter().for_each(|(name, octets)| std::fs::write(folder.join(name), octets).unwrap());
        }
        for (name, octets) in seeds() {
            assert_eq!(std::fs::read(folder.join(name)).unwrap(), octets, "{name}");
        }
        let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap());
        let read = files.filter(|file| pending(&std::fs::read(file.path()).unwrap()));
        let mut names: Vec<_> = read.map(|file| file.file_name().into_string().unwrap()).collect();
        names.sort();
        assert_eq!(names, ["carriage-returns", "keytab-alone", "two-directories"]);
    }

    #[test]
    fn no_changed_octet_of_a_seed_breaks_what_is_read() {
        let mut read = 0_usize;
        for (_, octets) in seeds() {
            for place in 0..octets.len() {
                for octet in (0..128).step_by(3).chain([b'\n', b'\r', b' ', 0x80, 0xff]) {
                    let mut changed = octets.clone();
                    changed[place] = octet;
                    read += usize::from(pending(&changed));
                }
            }
        }
        assert!(read > 1000, "most of what is changed in a password or a path is read: {read}");
    }
}
