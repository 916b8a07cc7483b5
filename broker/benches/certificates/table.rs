//! The figures as a table.

use std::fmt::{self, Display, Formatter};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What loading a list costs, beside the list as it came, in octets.
pub(crate) struct Memory {
    size: u32,
    encoded: usize,
    peak: usize,
    kept: usize,
}

impl Memory {
    /// Loads a list and looks at the process before, while and after.
    ///
    /// # Panics
    /// A large list takes more than 32 octets an entry and 2 MB.
    pub(crate) fn of<T>(size: u32, encoded: usize, load: impl FnOnce() -> T) -> (T, Self) {
        // Forgets the peak there was (proc_pid_clear_refs(5)).
        std::fs::write("/proc/self/clear_refs", "5").expect("Linux, with its proc file system");
        let before = status("VmRSS");
        let list = load();
        let (peak, kept) = (status("VmHWM").saturating_sub(before), status("VmRSS").saturating_sub(before));
        let bound = usize::try_from(size).expect("small") * 32 + 2_000_000;
        assert!(peak <= bound && kept <= bound, "{size} entries: peak {peak}, kept {kept}, bound {bound}");
        (list, Self { size, encoded, peak, kept })
    }
}

/// A line of /proc/self/status, in octets.
#[expect(clippy::disallowed_methods, reason = "a benchmark may block")]
fn status(field: &str) -> usize {
    let text = std::fs::read_to_string("/proc/self/status").expect("Linux, with its proc file system");
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':')).expect("the field");
    line.split_whitespace().next().and_then(|kilo| kilo.parse::<usize>().ok()).expect("a number") * 1024
}

pub(crate) struct Table {
    results: PathBuf,
    text: String,
}

impl Table {
    pub(crate) fn new(results: &Path, memory: &[Memory]) -> Self {
        let mut table = Self { results: results.to_owned(), text: String::new() };
        table.paths();
        table.lists(memory);
        table
    }

    /// The median of a measurement; `None` where it was not chosen on the command line.
    #[expect(clippy::disallowed_methods, reason = "a benchmark may block")]
    fn median(&self, name: &str) -> Option<Duration> {
        let file = self.results.join(name).join("new/estimates.json");
        let estimates: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(file).ok()?).ok()?;
        Some(Duration::from_secs_f64(estimates["median"]["point_estimate"].as_f64()? / 1e9))
    }

    fn row(&mut self, cells: &[&str]) {
        self.text.push_str(&format!("| {} |\n", cells.join(" | ")));
    }

    fn head(&mut self, cells: &[&str]) {
        self.text.push('\n');
        self.row(cells);
        self.row(&vec!["---"; cells.len()]);
    }

    fn paths(&mut self) {
        let start = self.median("openssl version");
        let own_start = self.median("kerbridge --version");
        self.head(&[
            "in the process",
            "time",
            "signatures alone",
            "ratio",
            "openssl, a process",
            "less its start",
            "ratio to it",
        ]);
        for kind in ["RSA-2048", "P-256"] {
            for (what, own, floor, theirs) in [
                ("4 certificates", "validate", "signatures", "openssl verify"),
                (
                    "4 certificates and 3 lists",
                    "validate with lists",
                    "signatures",
                    "openssl verify with lists",
                ),
                ("OCSP answer", "OCSP", "one signature", "openssl ocsp"),
            ] {
                let of = |name: &str| self.median(&format!("{name}, {kind}"));
                let (own, floor, theirs) = (of(own), of(floor), of(theirs));
                let work = theirs.zip(start).map(|(whole, start)| whole.saturating_sub(start));
                let cells = [
                    format!("{what}, {kind}"),
                    text(own),
                    text(floor),
                    ratio(own, floor),
                    text(theirs),
                    text(work),
                    ratio(own, work),
                ];
                self.row(&cells.each_ref().map(String::as_str));
            }
        }
        let thicket = self.median("thicket");
        let refused = ["2000 cross-certificates without a root, refused".to_owned(), text(thicket)];
        let nothing = || "-".to_owned();
        let refused = refused.into_iter().chain(std::iter::repeat_with(nothing).take(5)).collect::<Vec<_>>();
        self.row(&refused.iter().map(String::as_str).collect::<Vec<_>>());
        self.head(&["as a process", "kerbridge", "openssl", "ratio"]);
        self.row(&["start alone", &text(own_start), &text(start), &ratio(own_start, start)]);
        for kind in ["RSA-2048", "P-256"] {
            for what in ["verify", "verify with lists"] {
                let own = self.median(&format!("kerbridge {what}, {kind}"));
                let theirs = self.median(&format!("openssl {what}, {kind}"));
                self.row(&[&format!("{what}, {kind}"), &text(own), &text(theirs), &ratio(own, theirs)]);
            }
        }
    }

    fn lists(&mut self, memory: &[Memory]) {
        self.head(&[
            "list of",
            "size",
            "load",
            "hash alone",
            "openssl, a process",
            "lookup, listed",
            "not listed",
            "peak while loading",
            "kept",
        ]);
        for Memory { size, encoded, peak, kept } in memory {
            let of_group = |name: &str| text(self.median(&format!("lists/{name}, {size}")));
            let lookup = |name: &str| text(self.median(&format!("lookup of one that is {name}, {size}")));
            let (load, hash, openssl) = (of_group("load"), of_group("hash"), of_group("openssl"));
            let (listed, not_listed) = (lookup("listed"), lookup("not"));
            let [encoded, peak, kept] = [encoded, peak, kept].map(|octets| format!("{} kB", octets / 1000));
            self.row(&[
                &format!("{size} entries"),
                &encoded,
                &load,
                &hash,
                &openssl,
                &listed,
                &not_listed,
                &format!("list and {peak}"),
                &kept,
            ]);
        }
    }
}

fn text(time: Option<Duration>) -> String {
    time.map_or_else(|| "-".to_owned(), |time| format!("{time:.3?}"))
}

fn ratio(one: Option<Duration>, other: Option<Duration>) -> String {
    match one.zip(other) {
        Some((one, other)) if !other.is_zero() => format!("{:.2}", one.as_secs_f64() / other.as_secs_f64()),
        _ => "-".to_owned(),
    }
}

impl Display for Table {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
