//! `kerbridge validate`.

use std::process::ExitCode;

use crate::reload::Source;

/// Reads the configuration and every file it names, and says that they are sound, or everything that is not.
pub(super) fn validate(source: &Source) -> ExitCode {
    let config = match super::read(source) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let mut words = format!("{} is valid\n", source.path.display());
    words.extend(config.warnings.iter().map(|warning| format!("warning: {warning}\n")));
    super::say(&words)
}
