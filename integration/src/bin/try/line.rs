//! The six steps of the line, as the broker's log tells them.

use std::io::Write;
use std::time::Duration;

use integration::card::Answer;
use integration::scene::Scene;
use serde_json::Value;

use crate::TryError;
use crate::table::{Table, milliseconds};

/// What each step makes, by the word the log has for the step.
const MADE: [(&str, &str); 5] = [
    ("validate", "ValidatedIdentity"),
    ("resolve", "DirectoryAccount"),
    ("decide", "Decision"),
    ("issue", "DelegatedTicket"),
    ("hand_off", "Handoff"),
];

/// The log line of a login that went through; it may be written just after the answer.
const LOG_LINE: &str = "login went through the line";
const LOG_LIMIT: Duration = Duration::from_secs(5);

/// Shows what each step established and how long it took.
pub(crate) fn show(out: &mut dyn Write, scene: &Scene, answer: &Answer) -> Result<(), TryError> {
    let mut table = Table::new(["", "step", "what it established", "took"]);
    let presented = "the card's certificate, and by the TLS handshake that the card holds its key";
    table.row(["1", "PeerCertificates", presented, &milliseconds(answer.handshake)].map(str::to_owned));
    for (number, (step, made)) in (2..).zip(MADE) {
        let report = report(scene, step)?;
        let established = report.get("established").and_then(Value::as_str).ok_or(TryError::NoSteps)?;
        let micros = report.get("micros").and_then(Value::as_u64).ok_or(TryError::NoSteps)?;
        let took = milliseconds(Duration::from_micros(micros));
        table.row([format!("{number}"), made.to_owned(), established.to_owned(), took]);
    }
    Ok(table.write(out)?)
}

fn report(scene: &Scene, step: &str) -> Result<Value, TryError> {
    let line = scene.broker().wait_for_line(LOG_LINE, LOG_LIMIT).map_err(|_| TryError::NoSteps)?;
    let event: Value = serde_json::from_str(&line).unwrap_or_default();
    let steps = event.get("steps").and_then(Value::as_str).ok_or(TryError::NoSteps)?;
    let steps: Vec<Value> = serde_json::from_str(steps).map_err(|_| TryError::NoSteps)?;
    let found = steps.into_iter().find(|report| report.get("step").and_then(Value::as_str) == Some(step));
    found.ok_or(TryError::NoSteps)
}
