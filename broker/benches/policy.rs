//! What a decision costs: with 10 policies and with 1,000, of which those about the target are the same.
//!
//! `cargo bench -p broker --bench policy` prints both and asserts their ratio. `integration/instructions broker policy 10 1000` counts
//! the instructions of a decision with so many.
#![expect(clippy::print_stdout, reason = "a benchmark prints and may fail")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use broker::policy::measured::Measured;
use criterion::Criterion;

/// How often all decisions are repeated for the ratio.
const ROUNDS: u32 = 2_000;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [option, count, times] = words.as_slice()
        && option == "--repeat"
    {
        let measured = measured(count.parse().expect("a count"));
        for _ in 0..times.parse().expect("a number of times") {
            assert!(black_box(&measured).decide(), "the request is permitted");
        }
        return;
    }
    let (few, many) = (measured(10), measured(1_000));
    let mut criterion = Criterion::default().without_plots().sample_size(20).configure_from_args();
    criterion
        .bench_function("decision with 10 policies", |bencher| bencher.iter(|| black_box(&few).decide()));
    criterion
        .bench_function("decision with 1,000 policies", |bencher| bencher.iter(|| black_box(&many).decide()));
    criterion.final_summary();
    // In turns, so that whatever else the machine does slows both.
    let (mut of_few, mut of_many) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..ROUNDS {
        of_few += time(&few);
        of_many += time(&many);
    }
    let ratio = of_many.as_secs_f64() / of_few.as_secs_f64();
    println!(
        "a decision with 10 policies: {:.1} us; with 1,000: {:.1} us; ratio {ratio:.2}; {:.0} decisions a second",
        of_few.as_secs_f64() * 1e6 / f64::from(ROUNDS),
        of_many.as_secs_f64() * 1e6 / f64::from(ROUNDS),
        f64::from(ROUNDS) / of_many.as_secs_f64(),
    );
    assert!(ratio < 2.0, "a thousand policies cost as much as ten");
}

fn measured(count: usize) -> Measured {
    Measured::new(count).expect("good policies")
}

#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn time(measured: &Measured) -> Duration {
    let began = Instant::now();
    assert!(black_box(measured).decide(), "the request is permitted");
    began.elapsed()
}
