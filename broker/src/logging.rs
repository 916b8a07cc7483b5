//! Structured logs on standard error: text for people, JSON for collectors.
//!
//! Only this project's own crates speak at the level that was asked for. What they stand on is held at warnings:
//! some of those crates write whole messages at their finer levels, and whole messages hold secrets.

use std::io;

use tracing::Level;
use tracing_subscriber::{
    Layer as _,
    filter::Targets,
    fmt::{MakeWriter, format::FmtSpan},
    layer::SubscriberExt as _,
};

/// How a line of the log is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Format {
    /// One line of words and `key=value` pairs.
    Text,
    /// One JSON object a line. The fields of an event stand at the top, those of the login it belongs to in `span`.
    Json,
}

/// The log is set up once in a process, and something else did so before.
#[derive(Debug, thiserror::Error)]
#[error("the log is already set up")]
pub struct AlreadySetUp;

/// Sends the log of this process to standard error.
///
/// # Errors
/// When the process has a log already.
pub fn set_up(format: Format, level: Level) -> Result<(), AlreadySetUp> {
    tracing::subscriber::set_global_default(subscriber(format, level, io::stderr)).map_err(|_| AlreadySetUp)
}

/// The subscriber behind [`set_up`], with any writer.
pub fn subscriber<W>(format: Format, level: Level, writer: W) -> impl tracing::Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt::layer().with_writer(writer).with_span_events(FmtSpan::NONE);
    let lines = match format {
        Format::Text => lines.boxed(),
        Format::Json => {
            lines.json().flatten_event(true).with_current_span(true).with_span_list(false).boxed()
        }
    };
    let spoken = OWN_CRATES.map(|name| (name, level));
    let rest = level.min(Level::WARN);
    tracing_subscriber::registry()
        .with(lines.with_filter(Targets::new().with_default(rest).with_targets(spoken)))
}

const OWN_CRATES: [&str; 4] = ["broker", "kdc_proxy", "kerbridge", "ldap_map"];

#[cfg(test)]
pub(crate) mod testing {
    //! For tests: what is written into the log.

    use std::io;
    use std::sync::{Arc, Mutex};

    /// Takes what is written into the log.
    #[derive(Clone, Default)]
    pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

    impl Log {
        /// Takes it on this thread, while the guard lives.
        pub(crate) fn capture(&self) -> tracing::subscriber::DefaultGuard {
            let log = self.clone();
            let lines = tracing_subscriber::fmt().json().flatten_event(true).with_writer(move || log.clone());
            tracing::subscriber::set_default(lines.finish())
        }

        pub(crate) fn text(&self) -> String {
            let octets = self.0.lock().expect("no test panics while writing").clone();
            String::from_utf8(octets).expect("a log is text")
        }

        /// Its lines, where they are JSON.
        pub(crate) fn lines(&self) -> Vec<serde_json::Value> {
            self.text().lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
        }
    }

    impl io::Write for Log {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no test panics while writing").extend_from_slice(octets);
            Ok(octets.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::Log;
    use super::*;

    fn logged(format: Format, level: Level, body: impl FnOnce()) -> String {
        let log = Log::default();
        let writer = log.clone();
        tracing::subscriber::with_default(subscriber(format, level, move || writer.clone()), body);
        log.text()
    }

    #[test]
    fn a_json_line_carries_the_login_id_of_its_span() {
        let text = logged(Format::Json, Level::INFO, || {
            let span = tracing::info_span!("login", login_id = "0123456789abcdef");
            span.in_scope(|| tracing::info!(step = "validate", "step done"));
        });
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["step"], "validate");
        assert_eq!(line["span"]["login_id"], "0123456789abcdef");
    }

    #[test]
    fn a_text_line_stays_one_line_whatever_a_stranger_sent() {
        let text = logged(Format::Text, Level::INFO, || tracing::info!(target_name = "a\nb", "asked"));
        assert_eq!(text.lines().count(), 1);
        assert!(text.contains(r#""a\nb""#), "{text}");
    }

    #[test]
    fn other_crates_are_held_at_warnings_even_when_everything_is_asked_for() {
        let text = logged(Format::Text, Level::TRACE, || {
            tracing::debug!(target: "ldap3::search", "whole message");
            tracing::warn!(target: "h2::proto", "broken frame");
            tracing::trace!("own detail");
        });
        assert!(!text.contains("whole message"));
        assert!(text.contains("broken frame"));
        assert!(text.contains("own detail"));
    }

    #[test]
    fn a_level_below_warnings_holds_for_other_crates_too() {
        let text = logged(Format::Text, Level::ERROR, || tracing::warn!(target: "h2::proto", "broken frame"));
        assert_eq!(text, "");
    }
}
