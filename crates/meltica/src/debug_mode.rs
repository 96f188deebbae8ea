use meltica_recycler::Recycler;

const VARIABLE: &str = "RECYCLER_DEBUG_MODE";

/// What the environment asks of the recycler: `true` or `false`; nothing means false.
pub(crate) fn wanted() -> Result<bool, String> {
    parse(std::env::var_os(VARIABLE).map(|value| value.to_string_lossy().into_owned()))
}

fn parse(value: Option<String>) -> Result<bool, String> {
    match value.as_deref() {
        None | Some("" | "false" | "0") => Ok(false),
        Some("true" | "1") => Ok(true),
        Some(_) => Err(value.unwrap_or_default()),
    }
}

/// Switches debug mode on, and says so.
pub(crate) fn enable(recycler: &Recycler) {
    recycler.enable_debug_mode();
    tracing::info!("Recycler debug mode enabled (poisoning + double-put detection)");
}

#[cfg(test)]
mod tests;
