//! What the first step costs, beside the signatures alone and beside OpenSSL on the same files in the same run.
//!
//! `cargo bench -p broker` prints the table at the end. Times are medians. OpenSSL is measured as a process, as its
//! command line is the only form in which it is here; what a process costs that does nothing is measured too, and taken
//! off where a ratio is told. The memory of a list is asserted, not only told.
#![expect(clippy::indexing_slicing, clippy::print_stdout, reason = "a benchmark prints and may fail")]

mod chain;
mod processes;
mod table;

use std::hint::black_box;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::signature::UnparsedPublicKey;
use broker::identity::measured::{Certificate, List, answers};
use broker::identity::{PeerCertificates, Revocation, Settings, Usage, Validator};
use criterion::{BatchSize, Criterion};
use rustls_pki_types::CertificateDer;

use self::chain::{AT_SECONDS, Chain, KINDS};
use self::table::Table;

const SIZES: [u32; 2] = [1_000, 1_000_000];

fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let results = folder.path().join("results");
    let mut criterion = Criterion::default()
        .without_plots()
        .output_directory(&results)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(1500))
        .sample_size(20)
        .configure_from_args();
    let chains = KINDS.map(|kind| Chain::make(kind, folder.path()));
    processes::start(&mut criterion);
    for chain in &chains {
        paths(&mut criterion, chain);
        processes::paths(&mut criterion, chain);
        let response = processes::response(chain);
        answer(&mut criterion, chain, &response);
        processes::answer(&mut criterion, chain);
    }
    thicket(&mut criterion, chains[1].authorities().next().expect("a root"));
    let memory = SIZES.map(|size| lists(&mut criterion, &chains[0], size));
    criterion.final_summary();
    print!("{}", Table::new(&results, &memory));
}

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(AT_SECONDS)
}

/// A validator of any usage, as the other judges have no rules for cards.
fn validator(chain: &Chain, revocation: Revocation) -> Validator {
    let mut authorities = chain.authorities().map(|der| CertificateDer::from(der.to_vec()));
    let mut settings = Settings::new(authorities.next().into_iter().collect());
    settings.intermediates = authorities.collect();
    settings.usage = Usage::Anything;
    settings.revocation = revocation;
    Validator::new(settings, now()).expect("good settings")
}

fn paths(criterion: &mut Criterion, chain: &Chain) {
    let name = chain.kind.name;
    let peer = PeerCertificates::new(vec![chain.card.clone().into()]).expect("a card");
    for (what, revocation) in
        [("validate", Revocation::Off), ("validate with lists", Revocation::Crls(chain.crls.clone()))]
    {
        let validator = validator(chain, revocation);
        criterion.bench_function(&format!("{what}, {name}"), |bencher| {
            bencher.iter(|| validator.judge(black_box(&peer), now()).expect("a good card"));
        });
    }
    let signatures = signatures(chain);
    criterion.bench_function(&format!("signatures, {name}"), |bencher| {
        bencher.iter(|| signatures.iter().for_each(|one| one.verify(chain)));
    });
    let issuer = &signatures[0];
    criterion.bench_function(&format!("one signature, {name}"), |bencher| {
        bencher.iter(|| issuer.verify(chain));
    });
}

/// One signature of a chain, as arithmetic alone.
struct Signature {
    signed: Vec<u8>,
    signature: Vec<u8>,
    key: Vec<u8>,
}

impl Signature {
    fn verify(&self, chain: &Chain) {
        let key = UnparsedPublicKey::new(chain.kind.verification, &self.key);
        key.verify(black_box(&self.signed), &self.signature).expect("a good signature");
    }
}

/// The three signatures of a path, the card's first.
fn signatures(chain: &Chain) -> Vec<Signature> {
    let mut line: Vec<&[u8]> = chain.authorities().collect();
    line.push(&chain.card);
    let read = |der| x509_parser::parse_x509_certificate(der).expect("a certificate").1;
    let pairs = line.windows(2).rev().map(|pair| (read(pair[0]), read(pair[1])));
    pairs
        .map(|(issuer, subject)| Signature {
            signed: subject.tbs_certificate.as_ref().to_vec(),
            signature: subject.signature_value.data.to_vec(),
            key: issuer.public_key().subject_public_key.data.to_vec(),
        })
        .collect()
}

/// A search that ends at its bound.
fn thicket(criterion: &mut Criterion, root: &[u8]) {
    let (card, crossed) = chain::thicket();
    let mut settings = Settings::new(vec![CertificateDer::from(root.to_vec())]);
    settings.intermediates = crossed.into_iter().map(CertificateDer::from).collect();
    settings.usage = Usage::Anything;
    settings.revocation = Revocation::Off;
    let validator = Validator::new(settings, now()).expect("good settings");
    let peer = PeerCertificates::new(vec![card.into()]).expect("a card");
    criterion.bench_function("thicket", |bencher| {
        bencher.iter(|| validator.judge(black_box(&peer), now()).expect_err("no path"));
    });
}

fn answer(criterion: &mut Criterion, chain: &Chain, response: &[u8]) {
    let [card, issuing] = [&chain.card, chain.issuing()].map(|der| Certificate::read(der).expect("one"));
    criterion.bench_function(&format!("OCSP, {}", chain.kind.name), |bencher| {
        bencher.iter(|| assert!(answers(black_box(response), &card, &issuing)));
    });
}

/// Loads and asks a list of so many entries; returns what it costs in memory.
fn lists(criterion: &mut Criterion, chain: &Chain, size: u32) -> table::Memory {
    let encoded = chain.list(size, "list");
    let [card, lost, issuing] =
        [&chain.card, &chain.lost, chain.issuing()].map(|der| Certificate::read(der).expect("a certificate"));
    let load = || List::load(black_box(&encoded), &issuing).expect("a good list");
    let (loaded, memory) = table::Memory::of(size, encoded.len(), load);
    assert!(loaded.revokes(&lost) && !loaded.revokes(&card));
    criterion.bench_function(&format!("lookup of one that is listed, {size}"), |bencher| {
        bencher.iter(|| loaded.revokes(black_box(&lost)));
    });
    criterion.bench_function(&format!("lookup of one that is not, {size}"), |bencher| {
        bencher.iter(|| loaded.revokes(black_box(&card)));
    });
    drop(loaded);
    let mut group = criterion.benchmark_group("lists");
    group.sample_size(10);
    group.bench_function(format!("load, {size}"), |bencher| {
        bencher.iter_batched(|| (), |()| load(), BatchSize::PerIteration);
    });
    group.bench_function(format!("hash, {size}"), |bencher| {
        bencher.iter(|| aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, black_box(&encoded)));
    });
    group.finish();
    processes::list(criterion, chain, size);
    memory
}
