//! The same work by command lines.

use std::ffi::OsString;
use std::process::{Command, Stdio};

use criterion::Criterion;

use super::chain::{AT_SECONDS, Chain};

fn run(program: &str, arguments: &[OsString]) {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output().expect("it starts");
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

const OURS: &str = env!("CARGO_BIN_EXE_kerbridge");

fn measure(criterion: &mut Criterion, name: &str, program: &str, arguments: &[OsString]) {
    criterion.bench_function(name, |bencher| bencher.iter(|| run(program, arguments)));
}

/// Words and files of a command line; a word with a dot is a file of the chain.
fn line(chain: &Chain, words: &str) -> Vec<OsString> {
    let word = |word: &str| {
        let file =
            word.contains(".pem") || word.contains(".txt") || word.contains(".key") || word.contains(".der");
        if file { chain.file(word).into() } else { word.into() }
    };
    words.split_whitespace().map(word).collect()
}

/// A process that does nothing.
pub(crate) fn start(criterion: &mut Criterion) {
    measure(criterion, "openssl version", "openssl", &["version".into()]);
    measure(criterion, "kerbridge --version", OURS, &["--version".into()]);
}

pub(crate) fn paths(criterion: &mut Criterion, chain: &Chain) {
    let name = chain.kind.name;
    let verify = format!("verify -attime {AT_SECONDS} -no-CApath -CAfile root.pem -untrusted between.pem");
    let ours =
        "certificate verify --at 2026-01-01T00:00:00Z --eku any --trust root.pem --intermediate between.pem";
    for (what, theirs, ours) in [
        ("verify", format!("{verify} card.pem"), format!("{ours} card.pem")),
        (
            "verify with lists",
            format!("{verify} -crl_check_all -CRLfile lists.pem card.pem"),
            format!("{ours} --crl lists.pem card.pem"),
        ),
    ] {
        measure(criterion, &format!("openssl {what}, {name}"), "openssl", &line(chain, &theirs));
        measure(criterion, &format!("kerbridge {what}, {name}"), OURS, &line(chain, &ours));
    }
}

/// An answer about the card, signed by its issuer.
#[expect(clippy::disallowed_methods, reason = "a benchmark may block")]
pub(crate) fn response(chain: &Chain) -> Vec<u8> {
    let ask = "ocsp -index index.txt -CA issuing.pem -issuer issuing.pem -cert card.pem -rsigner issuing.pem \
               -rkey issuing.key -ndays 1 -respout response.der -resp_no_certs -noverify";
    run("openssl", &line(chain, ask));
    std::fs::read(chain.file("response.der")).expect("a response")
}

pub(crate) fn answer(criterion: &mut Criterion, chain: &Chain) {
    let check = "ocsp -respin response.der -issuer issuing.pem -cert card.pem -VAfile issuing.pem -no_nonce";
    measure(criterion, &format!("openssl ocsp, {}", chain.kind.name), "openssl", &line(chain, check));
}

/// The list that was made last.
pub(crate) fn list(criterion: &mut Criterion, chain: &Chain, size: u32) {
    let verify = format!(
        "verify -attime {AT_SECONDS} -no-CApath -CAfile root.pem -untrusted between.pem -crl_check \
         -CRLfile list.pem card.pem"
    );
    let mut group = criterion.benchmark_group("lists");
    group.sample_size(10);
    let arguments = line(chain, &verify);
    group.bench_function(format!("openssl, {size}"), |bencher| bencher.iter(|| run("openssl", &arguments)));
    group.finish();
}
