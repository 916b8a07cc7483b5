//! `kerbridge serve`.

use std::process::ExitCode;

use crate::{exit, logging, reload::Source, service};

/// Serves until a signal ends it.
pub(super) fn serve(source: &Source) -> ExitCode {
    let kept_private = service::keep_memory_private();
    let config = match super::read(source) {
        Ok(config) => config,
        Err(code) => return code,
    };
    if logging::set_up(config.log.format, config.log.level).is_err() {
        return exit::SOFTWARE.into();
    }
    match service::run_to_the_end(config, source, kept_private) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, cause = ?std::error::Error::source(&error), "service ended");
            error.exit_code().into()
        }
    }
}
