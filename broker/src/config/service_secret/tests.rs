use std::os::unix::fs::PermissionsExt as _;

use super::*;

const ACCOUNT: &str = "svc-broker@CORP.EXAMPLE";

fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// A password and the directory's, in files.
fn secret(folder: &Path) -> ServiceSecret {
    let places = Places { base: folder.to_owned(), credentials: None };
    let directory = own_directory(file("bind"));
    ServiceSecret::new(places, ACCOUNT.to_owned(), Kerberos::Password(file("own")), vec![directory])
}

fn own_directory(source: SecretSource) -> DirectorySource {
    DirectorySource { name: "svc-broker@corp.example".to_owned(), abroad: None, source }
}

fn file(name: &str) -> SecretSource {
    SecretSource::File(name.into())
}

fn pending(password: &str, directories: &[PathBuf]) -> Zeroizing<String> {
    let pending = Pending {
        account: ACCOUNT.to_owned(),
        password: Zeroizing::new(password.to_owned()),
        directories: directories.to_vec(),
        attempted: std::time::SystemTime::UNIX_EPOCH,
    };
    pending.to_text()
}

fn text(credential: &Credential) -> String {
    match credential {
        Credential::Password(password) => password.to_string(),
        Credential::Changing { present, next } => format!("{} or {}", text(present), next.as_str()),
        other => panic!("{other:?}"),
    }
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("own"), "one\n");
    write(&folder.path().join("bind"), "one\n");
    folder
}

#[tokio::test]
async fn a_credential_is_given_out_when_it_is_another_one_than_before() {
    let folder = folder();
    let secret = secret(folder.path());
    assert_eq!(text(&secret.first().unwrap()), "one");
    assert!(secret.latest().await.is_none());
    write(&folder.path().join("own"), "two\n");
    assert_eq!(text(&secret.latest().await.unwrap()), "two");
    assert!(secret.latest().await.is_none());
    // The same password in another file is none.
    write(&folder.path().join("own"), "two");
    assert!(secret.latest().await.is_none());
}

#[tokio::test]
async fn a_pending_password_is_given_out_beside_the_present_one() {
    let folder = folder();
    let secret = secret(folder.path());
    secret.first().unwrap();
    let directory = secret.directory(&file("bind")).unwrap();
    assert_eq!(directory.known().len(), 1);
    write(&folder.path().join("own.pending"), &pending("next", &[folder.path().join("bind")]));
    assert_eq!(text(&secret.latest().await.unwrap()), "one or next");
    assert!(directory.renew().await);
    let known: Vec<String> = directory.known().iter().map(|password| password.to_string()).collect();
    assert_eq!(known, ["one", "next"]);
    assert!(!secret.renew_directories().await);
    write(&folder.path().join("own"), "next\n");
    fs::remove_file(folder.path().join("own.pending")).unwrap();
    assert_eq!(text(&secret.latest().await.unwrap()), "next");
}

#[tokio::test]
async fn the_pending_password_of_an_account_the_directory_does_not_know_is_kept_from_it() {
    let folder = folder();
    let secret = secret(folder.path());
    write(&folder.path().join("own.pending"), &pending("next", &[folder.path().join("another")]));
    assert_eq!(secret.directory(&file("bind")).unwrap().known().len(), 1);
}

#[tokio::test]
async fn a_file_that_cannot_be_read_leaves_what_was_given_out() {
    let folder = folder();
    let secret = secret(folder.path());
    secret.first().unwrap();
    let directory = secret.directory(&file("bind")).unwrap();
    for name in ["own", "bind"] {
        fs::remove_file(folder.path().join(name)).unwrap();
    }
    assert!(secret.latest().await.is_none());
    assert!(!directory.renew().await);
    assert_eq!(directory.known().len(), 1);
    write(&folder.path().join("own"), "two");
    assert_eq!(text(&secret.latest().await.unwrap()), "two");
}

#[test]
fn a_pending_file_of_somebody_else_is_an_error_that_names_it() {
    let folder = folder();
    write(&folder.path().join("own.pending"), "something else");
    let error = secret(folder.path()).read().unwrap_err();
    assert!(error.to_string().contains("own.pending: this is no pending secret"), "{error}");
    write(&folder.path().join("own.pending"), &pending("next", &[]).replace("svc-broker", "svc-other"));
    let error = secret(folder.path()).read().unwrap_err();
    assert!(matches!(error, SecretError::Pending { source: PendingError::OtherAccount, .. }), "{error}");
}

#[test]
fn every_change_of_a_file_shows_in_the_stamp() {
    let folder = folder();
    let secret = secret(folder.path());
    let mut before = secret.stamp();
    assert_eq!(secret.stamp(), before);
    let mut changed = |what: &str| {
        let after = secret.stamp();
        assert_ne!(after, before, "{what}");
        before = after;
    };
    write(&folder.path().join("new"), "two\n");
    fs::rename(folder.path().join("new"), folder.path().join("own")).unwrap();
    changed("replaced");
    write(&folder.path().join("own.pending"), "x");
    changed("pending");
    fs::remove_file(folder.path().join("bind")).unwrap();
    changed("removed");
}

#[test]
fn a_credential_has_no_file_until_one_is_named() {
    let folder = folder();
    let places = Places { base: PathBuf::new(), credentials: Some(folder.path().to_owned()) };
    let credential = |name: &str| SecretSource::Credential(name.to_owned());
    let kerberos = Kerberos::Password(credential("own"));
    let directory = own_directory(credential("bind"));
    let secret = ServiceSecret::new(places, ACCOUNT.to_owned(), kerberos, vec![directory]);
    assert_eq!(secret.kerberos_file(), None);
    assert_eq!(secret.read_directories().unwrap()[0].path, None);
    assert_eq!(text(&secret.read().unwrap().credential), "one");
    let own = folder.path().join("own");
    let secret = secret.in_files(Some(own.clone()), Some(folder.path().join("bind")));
    assert_eq!(secret.kerberos_file(), Some(own));
    assert_eq!(secret.read_directories().unwrap()[0].path, Some(folder.path().join("bind")));
    assert!(!secret.is_keytab());
}

#[test]
fn the_file_named_for_the_directory_s_credential_stands_for_it_wherever_it_is_used() {
    let folder = folder();
    let places = Places { base: PathBuf::new(), credentials: Some(folder.path().to_owned()) };
    let credential = |name: &str| SecretSource::Credential(name.to_owned());
    let abroad =
        |source| DirectorySource { abroad: Some("BETA.EXAMPLE".to_owned()), ..own_directory(source) };
    write(&folder.path().join("beta"), "beta");
    let directories =
        vec![abroad(credential("beta")), own_directory(credential("bind")), abroad(credential("bind"))];
    let kerberos = Kerberos::Password(credential("own"));
    let secret = ServiceSecret::new(places, ACCOUNT.to_owned(), kerberos, directories);
    let bind = folder.path().join("bind");
    let named = secret.in_files(None, Some(bind.clone())).read_directories().unwrap();
    let paths: Vec<_> = named.into_iter().map(|directory| directory.path).collect();
    assert_eq!(paths, [None, Some(bind.clone()), Some(bind)]);
}

#[test]
fn what_systemd_has_copied_is_known_for_a_copy_by_whatever_name() {
    let named = |credentials: Option<&str>, source: SecretSource| {
        let places = Places { base: "/etc/kerbridge".into(), credentials: credentials.map(PathBuf::from) };
        ServiceSecret::new(places, ACCOUNT.to_owned(), Kerberos::Keytab(source), Vec::new())
    };
    let credential = || SecretSource::Credential("keytab".to_owned());
    let copies = "/run/credentials/kerbridge.service";
    let warned = Some(Warning::SecretIsCopy { key: "kerberos.keytab" });
    assert_eq!(named(Some(copies), credential()).warning(), warned);
    let by_path = named(None, SecretSource::File(format!("{copies}/keytab").into()));
    assert_eq!((by_path.warning(), by_path.kerberos_file()), (warned, None));
    // A container platform replaces what it has mounted.
    assert_eq!(named(Some("/run/secrets/kerbridge"), credential()).warning(), None);
    assert_eq!(named(Some(copies), SecretSource::File("/var/lib/kerbridge/keytab".into())).warning(), None);
}
